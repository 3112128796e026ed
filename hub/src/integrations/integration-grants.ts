import type { AbilityName } from '@branchline/access/abilities.js';
import { roleOfAbility, type Grant } from '@branchline/access/roles.js';
import { code } from '@branchline/http/fields.js';
import { z } from 'zod';

/** What a system may be allowed at all: nothing of people, staff, enrolment or other systems. */
export const INTEGRATION_ABILITIES = [
  'branch.read',
  'catalogue.read',
  'catalogue.manage',
  'report.read',
  'fleet.read',
  'fleet.verify',
  'quarantine.read',
  'conflict.read',
  'incident.read',
] as const satisfies readonly AbilityName[];

/** Abilities by name and where they hold; regions and branches by their code. */
export const integrationGrant = z
  .strictObject({
    abilities: z.array(z.enum(INTEGRATION_ABILITIES)).min(1).max(INTEGRATION_ABILITIES.length),
    scope: z.enum(['tenant', 'region', 'branch']),
    id: code.optional(),
  })
  .refine((grant) => (grant.scope === 'tenant') === (grant.id === undefined), {
    path: ['id'],
    message: 'a region or a branch is named by its code, the tenant is not named',
  });
export type IntegrationGrant = z.infer<typeof integrationGrant>;

/** As the rules are asked. */
export function grantsOf(kept: readonly IntegrationGrant[]): Grant[] {
  return kept.flatMap(({ abilities, scope, id }) =>
    abilities.map((ability) => ({ role: roleOfAbility(ability), scope, ...(id !== undefined && { id }) })),
  );
}
