import { problem } from '@branchline/http/problem.js';
import type { PreparedStatement, Tx } from '../database/unit-of-work.js';
import { scopesOfBranch, type BranchPlace } from './scopes.js';

/** Asked with every page of every box: planned once, and read as it comes. */
const PLACE: PreparedStatement = {
  name: 'feed-place',
  text: 'SELECT id, region, price_zone AS "priceZone", assortment FROM branch WHERE id = $1',
};

/** A box reads the scopes of its own branch and no other's; which those are the hub says, not the box. @throws Problem `not-yours` */
export async function assertOwnScope(tx: Tx, branchId: string, scope: string): Promise<void> {
  const [branch] = await tx.prepared<BranchPlace>(PLACE, [branchId]);
  if (branch === undefined) throw new Error(`there is no branch ${branchId}`);
  if (!scopesOfBranch(branch).includes(scope)) throw problem('not-yours', `${scope} is no scope of this branch.`);
}
