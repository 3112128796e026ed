import { ABILITY_NAMES, type AbilityName } from './abilities.js';

/** An ability, `sale.*` for all of one thing, `*.read` for reading all, `*` for all. */
export type AbilityPattern = AbilityName | '*' | `*.${string}` | `${string}.*`;

/** The roles out of the box. Rules are data: a tenant's own roles are more rows of the same shape. */
export const ROLE_RULES = {
  cashier: [
    'sale.create',
    'sale.read',
    'shift.open',
    'shift.close',
    'shift.read',
    'product.read',
    'stock.read',
    'customer.read',
    'customer.write',
  ],
  supervisor: [
    'sale.create',
    'sale.read',
    'shift.*',
    'product.read',
    'stock.read',
    'customer.read',
    'customer.write',
    'sync.read',
    'day.seal',
  ],
  'stock-clerk': ['product.read', 'stock.*'],
  'store-manager': [
    'sale.create',
    'sale.read',
    'shift.*',
    'day.seal',
    'device.enrol',
    'product.read',
    'stock.*',
    'customer.read',
    'customer.write',
    'sync.*',
    'branch.read',
    'staff.manage',
    'report.read',
    'catalogue.read',
  ],
  'area-manager': [
    'sale.read',
    'shift.read',
    'product.read',
    'stock.read',
    'customer.read',
    'customer.write',
    'sync.read',
    'branch.*',
    'device.enrol',
    'staff.manage',
    'catalogue.read',
    'report.read',
    'fleet.*',
    'quarantine.read',
    'conflict.*',
    'incident.*',
  ],
  importer: ['sale.import', 'sale.create', 'sale.read', 'shift.*', 'day.seal', 'product.read', 'sync.read'],
  merchandiser: ['catalogue.*', 'product.read', 'branch.read', 'report.read'],
  analyst: ['report.read', 'branch.read', 'catalogue.read'],
  auditor: ['*.read'],
  administrator: ['*'],
} as const satisfies Record<string, readonly AbilityPattern[]>;

export type RoleName = keyof typeof ROLE_RULES;

/** Roles that a tenant added, name → patterns. */
export type OwnRoles = Readonly<Record<string, readonly string[]>>;

/**
 * A role held somewhere. `tenant` without an id is the tenant of the person; a region or branch without an id grants
 * nothing. Branches and regions are named as the program names them everywhere (ids at the hub, its own at an edge).
 */
export type Grant = { role: RoleName | (string & {}); scope: 'tenant' | 'region' | 'branch'; id?: string };

/** One rule: an ability in one scope. */
export type Rule = { ability: AbilityName; scope: Grant['scope']; id?: string };

/** What a system is given instead of a role: one ability by its name. No role can bear such a name. */
export function roleOfAbility(ability: AbilityName): string {
  return `${ONE_ABILITY}${ability}`;
}

const ONE_ABILITY = 'ability:';

/** A role nobody knows any more grants nothing. */
export function abilitiesOfRole(role: string, own: OwnRoles = {}): AbilityName[] {
  if (role.startsWith(ONE_ABILITY)) return ABILITY_NAMES.filter((ability) => roleOfAbility(ability) === role);
  const builtIn: Readonly<Record<string, readonly string[]>> = ROLE_RULES;
  // Own property only: a role named `constructor` must not find something.
  const patterns = Object.hasOwn(builtIn, role) ? builtIn[role] : Object.hasOwn(own, role) ? own[role] : undefined;
  return ABILITY_NAMES.filter((ability) => patterns?.some((pattern) => matches(pattern, ability)));
}

/** All rules of all grants, without repeats, in a settled order. */
export function rulesOf(grants: readonly Grant[], own: OwnRoles = {}): Rule[] {
  const rules = new Map<string, Rule>();
  for (const { role, scope, id } of grants) {
    if (scope !== 'tenant' && id === undefined) continue;
    for (const ability of abilitiesOfRole(role, own)) {
      rules.set(`${ability} ${scope} ${id ?? ''}`, { ability, scope, ...(id !== undefined && { id }) });
    }
  }
  return [...rules.keys()].sort().flatMap((key) => rules.get(key) ?? []);
}

function matches(pattern: string, ability: AbilityName): boolean {
  if (pattern === '*' || pattern === ability) return true;
  if (pattern.endsWith('.*')) return ability.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith('*.')) return ability.endsWith(pattern.slice(1));
  return false;
}
