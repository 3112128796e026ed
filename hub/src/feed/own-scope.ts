import { problem } from '@branchline/http/problem.js';
import { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import { scopesOfBranch } from './scopes.js';

/** A box reads the scopes of its own branch and no other's; which those are the hub says, not the box. @throws Problem `not-yours` */
export async function assertOwnScope(tx: Tx, branchId: string, scope: string): Promise<void> {
  const branch = await tx.manager.findOneByOrFail(BranchRow, { id: branchId });
  if (!scopesOfBranch(branch).includes(scope)) throw problem('not-yours', `${scope} is no scope of this branch.`);
}
