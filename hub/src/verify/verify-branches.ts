import { BadInput } from '@branchline/http/exit.js';
import { Problem } from '@branchline/http/problem.js';
import { BranchRow } from '../branches/branch.row.js';
import type { Database } from '../database/unit-of-work.js';
import type { Verification } from './answer.js';
import { runVerification, type VerificationParts } from './run-verification.js';

/** Absent: all there are. */
export type AskedBranches = { tenant?: string; branch?: string };

/** What is told of one branch; `not-verified` where another is verifying it, or it takes too long. */
export type BranchTold = { tenant: string; branch: string } & Found;
type Found =
  | (Pick<Verification, 'outcome' | 'differences' | 'provedTo' | 'boxes'> & { lines: number })
  | { outcome: 'not-verified'; code: string; detail: string };

export type BranchesVerified = { branches: number; equal: number; differs: number; notVerified: number };

/**
 * Verifies branches one after the other, of every tenant, and tells of each as soon as it is done; what is found is kept
 * as if it had been asked for over HTTP.
 * @throws BadInput when there is no such tenant or branch
 */
export async function verifyBranches(
  parts: VerificationParts,
  asked: AskedBranches,
  tell: (told: BranchTold) => void,
): Promise<BranchesVerified> {
  const counts = { equal: 0, differs: 0, 'not-verified': 0 };
  let branches = 0;
  for (const { tenant, branch } of await findBranches(parts.database, asked)) {
    const told = { tenant, branch: branch.code, ...(await verifyOne(parts, branch)) };
    counts[told.outcome] += 1;
    branches += 1;
    tell(told);
  }
  return { branches, equal: counts.equal, differs: counts.differs, notVerified: counts['not-verified'] };
}

async function findBranches(
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

async function verifyOne(parts: VerificationParts, branch: BranchRow): Promise<Found> {
  try {
    const { outcome, differences, provedTo, boxes, streams } = (await runVerification(parts, branch)).answer;
    return { outcome, lines: streams.reduce((sum, { lines }) => sum + lines, 0), differences, provedTo, boxes };
  } catch (error) {
    if (error instanceof Problem) return { outcome: 'not-verified', code: error.code, detail: error.detail };
    // One branch that cannot be looked at, for whatever reason, is no reason to look at none after it.
    return {
      outcome: 'not-verified',
      code: 'internal',
      detail: error instanceof Error ? error.message : String(error),
    };
  }
}
