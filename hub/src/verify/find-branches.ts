import { BadInput } from '@branchline/http/exit.js';
import { BranchRow } from '../branches/branch.row.js';
import type { Database } from '../database/unit-of-work.js';

/** Absent: all there are. */
export type AskedBranches = { tenant?: string; branch?: string };

/** In the order of tenants and codes. @throws BadInput when there is no such tenant or branch */
export async function findBranches(
  database: Database,
  { tenant: tenantAsked, branch: branchAsked }: AskedBranches,
): Promise<{ tenant: string; branch: BranchRow }[]> {
  const found: { tenant: string; branch: BranchRow }[] = [];
  let isTenantKnown = tenantAsked === undefined;
  for (const { id } of await database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id ORDER BY 1')) {
    await database.transaction(id, async (tx) => {
      const { code: tenant } = await tx.one<{ code: string }>('SELECT code FROM tenant WHERE tenant_id = $1', [id]);
      if (tenantAsked !== undefined && tenant !== tenantAsked) return;
      isTenantKnown = true;
      const where = branchAsked === undefined ? {} : { code: branchAsked };
      const branches = await tx.manager.find(BranchRow, { where, order: { code: 'ASC' } });
      found.push(...branches.map((branch) => ({ tenant, branch })));
    });
  }
  if (!isTenantKnown) throw new BadInput(`there is no tenant ${tenantAsked}`);
  if (branchAsked !== undefined && found.length === 0) throw new BadInput(`there is no branch ${branchAsked}`);
  return found;
}
