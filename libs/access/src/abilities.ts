/** Every ability there is, and what it lets one do. Routes declare them, roles bundle them; contract with own roles of tenants. */
export const ABILITIES = {
  'sale.create': 'complete a sale that the edge prices',
  'sale.import': 'hand in sales with their own prices and times (replay, migration)',
  'sale.read': 'look up sales',
  'shift.open': 'open a shift on a drawer',
  'shift.close': 'close a shift and declare what was counted',
  'shift.read': 'read X and Z reports',
  'day.seal': 'seal a business date',
  'device.enrol': 'show one-time codes for new tills',
  'product.read': 'look up products and prices',
  'stock.read': 'look up what is on hand',
  'sync.read': 'see the state of replication',
  'sync.force': 'make a box contact the hub now',
  'sync.verify': 'make a box prove its rows, its journal and what it has of head office',
  'branch.read': 'see branches and their settings',
  'branch.manage': 'create and change branches, enrol boxes',
  'staff.manage': 'create and change operators and their PINs',
  'people.manage': 'create and change people of head office and their roles',
  'integration.manage': 'create and end integrations and their tokens',
  'catalogue.read': 'read the catalogue of the chain',
  'catalogue.manage': 'import and change products and prices',
  'report.read': 'read consolidated reports',
  'fleet.read': 'see the health of boxes',
  'fleet.verify': 'make a box prove its history',
  'quarantine.read': 'see what was set aside',
  'quarantine.retry': 'try again what was set aside',
  'conflict.read': 'see conflicts',
  'conflict.resolve': 'decide conflicts',
  'audit.read': 'read who did what',
  'incident.read': 'see incidents',
  'incident.close': 'close an incident with a note',
} as const satisfies Record<string, string>;

export type AbilityName = keyof typeof ABILITIES;

export const ABILITY_NAMES = Object.keys(ABILITIES) as AbilityName[];
