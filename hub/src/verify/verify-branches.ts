import { Problem } from '@branchline/http/problem.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Verification } from './answer.js';
import { findBranches, type AskedBranches } from './find-branches.js';
import { runVerification, type VerificationParts } from './run-verification.js';

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
