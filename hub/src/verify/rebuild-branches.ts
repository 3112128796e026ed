import { Problem } from '@branchline/http/problem.js';
import { findBranches, type AskedBranches } from './find-branches.js';
import { rebuildBranch, type Rebuilt, type RebuildParts } from './rebuild-branch.js';

export type BranchRebuilt = { tenant: string; branch: string } & (
  | ({ outcome: 'rebuilt' } & Pick<Rebuilt, 'lines' | 'count' | 'corrected'>)
  | { outcome: 'not-rebuilt'; code: string; detail: string }
);
export type BranchesRebuilt = { branches: number; rebuilt: number; corrected: number; notRebuilt: number };

/**
 * Makes rows and sums of branches anew, one after the other, of every tenant; one that cannot be is told, and the next has
 * its turn. @throws BadInput when there is no such tenant or branch
 */
export async function rebuildBranches(
  parts: RebuildParts,
  asked: AskedBranches,
  tell: (told: BranchRebuilt) => void,
): Promise<BranchesRebuilt> {
  const counts = { branches: 0, rebuilt: 0, corrected: 0, notRebuilt: 0 };
  for (const { tenant, branch } of await findBranches(parts.database, asked)) {
    counts.branches += 1;
    try {
      const { lines, count, corrected } = await rebuildBranch(parts, branch);
      counts.rebuilt += 1;
      counts.corrected += count;
      tell({ tenant, branch: branch.code, outcome: 'rebuilt', lines, count, corrected });
    } catch (error) {
      const code = error instanceof Problem ? error.code : 'internal';
      const detail = error instanceof Problem ? error.detail : String(error);
      counts.notRebuilt += 1;
      tell({ tenant, branch: branch.code, outcome: 'not-rebuilt', code, detail });
    }
  }
  return counts;
}
