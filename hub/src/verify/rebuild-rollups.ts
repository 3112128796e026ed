import type { Tx } from '../database/unit-of-work.js';
import type { Corrections } from './corrections.js';
import { ROLLUPS, type Rollup } from './rollup-comparison.js';

/**
 * Every sum that reports read, made anew from the rows it is the sum of: only those that differ are written, all of them
 * in the caller's transaction, which holds the branch. A report sees them before or after, never in between.
 */
export async function rebuildRollups(tx: Tx, branchId: string, corrections: Corrections): Promise<void> {
  for (const rollup of ROLLUPS) {
    const removed = await tx.executeAsOwner(removeDiffering(rollup), [branchId]);
    const added = await tx.execute(addMissing(rollup), [branchId, tx.tenantId]);
    // Of one that was other than its rows make it, both are counted.
    const corrected = Math.max(removed, added);
    if (corrected > 0) corrections.add('rollup', `${rollup.table}: ${corrected} sums made anew`, corrected);
  }
}

const same = (keys: readonly string[], a: string, b: string): string =>
  keys.map((key) => `${a}.${key} = ${b}.${key}`).join(' AND ');

const removeDiffering = ({ table, keys, sums, rows }: Rollup): string => {
  const list = (alias: string): string => sums.map((sum) => `${alias}.${sum}`).join(', ');
  return `WITH facts AS (${rows})
    DELETE FROM ${table} kept WHERE kept.branch_id = $1
      AND NOT EXISTS (SELECT FROM facts WHERE ${same(keys, 'facts', 'kept')} AND (${list('facts')}) = (${list('kept')}))`;
};

const addMissing = ({ table, keys, sums, rows }: Rollup): string => {
  const columns = [...keys, ...sums].join(', ');
  return `WITH facts AS (${rows})
    INSERT INTO ${table} (tenant_id, branch_id, ${columns}) SELECT $2, $1, ${columns} FROM facts
    WHERE NOT EXISTS (SELECT FROM ${table} kept WHERE kept.branch_id = $1 AND ${same(keys, 'facts', 'kept')})`;
};
