import type { Tx } from '../database/unit-of-work.js';

/** The oldest that is kept: what it holds, each of them holds. */
const OLDEST_KEPT = `
SELECT id FROM hub_backup WHERE verified_at IS NOT NULL AND forgotten_at IS NULL ORDER BY begun_at, id LIMIT 1`;

/**
 * Up to where each history is safe though this database were lost: in the oldest verified backup that is kept. A history
 * that is not in it, or with no such backup any, is not in the answer.
 */
export async function durableSeqs(
  tx: Tx,
  branchId: string,
  incarnations: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.prepared<{ incarnation: string; seq: number }>(DURABLE, [branchId, incarnations]);
  return new Map(rows.map(({ incarnation, seq }) => [incarnation, seq]));
}

const DURABLE = {
  name: 'durable-seqs',
  text: `SELECT incarnation, seq FROM backup_head WHERE backup_id = (${OLDEST_KEPT}) AND branch_id = $1 AND incarnation = ANY ($2::uuid[])`,
};
