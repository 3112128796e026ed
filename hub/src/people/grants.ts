import { ROLE_RULES, type Grant, type RoleName } from '@branchline/access/roles.js';
import { code } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';

export const roleName = z.enum(Object.keys(ROLE_RULES) as [RoleName, ...RoleName[]]);

/** As people write them: regions and branches by their code. */
export const grantSchema = z
  .strictObject({ role: roleName, scope: z.enum(['tenant', 'region', 'branch']), id: code.optional() })
  .refine((grant) => (grant.scope === 'tenant') === (grant.id === undefined), {
    path: ['id'],
    message: 'a region or a branch is named by its code, the tenant is not named',
  });
export type WrittenGrant = z.infer<typeof grantSchema>;

type Scoped = Pick<Grant, 'scope' | 'id'>;

/**
 * As they are kept: a region by its code, a branch by its id, which is what `abilityFor` is asked with here.
 *
 * @throws Problem `invalid-field` for a region or branch that does not exist in the tenant
 */
export async function keptGrants<G extends Scoped>(tx: Tx, written: readonly G[]): Promise<G[]> {
  const known = await tx.query<{ scope: string; code: string; id: string }>(
    `SELECT 'region' AS scope, code, code AS id FROM region WHERE code = ANY ($1)
     UNION ALL SELECT 'branch', code, id::text FROM branch WHERE code = ANY ($1)`,
    [written.flatMap((grant) => grant.id ?? [])],
  );
  return written.map((grant, place) => {
    const { scope, id } = grant;
    if (id === undefined) return grant;
    const found = known.find((row) => row.scope === scope && row.code === id);
    if (found) return { ...grant, id: found.id };
    const message = `there is no ${scope} ${id}`;
    throw problem('invalid-field', message, { errors: [{ path: `grants.${place}.id`, code: 'unknown', message }] });
  });
}

/** The way back, for answers: `show` for each of the lists that were handed in. */
export async function grantShower<G extends Scoped>(
  tx: Tx,
  lists: readonly (readonly G[])[],
): Promise<(kept: readonly G[]) => G[]> {
  const ids = lists.flat().flatMap((grant) => (grant.scope === 'branch' && grant.id !== undefined ? grant.id : []));
  const rows =
    ids.length === 0
      ? []
      : await tx.query<{ id: string; code: string }>('SELECT id, code FROM branch WHERE id = ANY ($1)', [ids]);
  const codes = new Map(rows.map(({ id, code }) => [id, code]));
  return (kept) =>
    kept.map((grant) =>
      grant.scope === 'branch' && grant.id !== undefined ? { ...grant, id: codes.get(grant.id) ?? grant.id } : grant,
    );
}
