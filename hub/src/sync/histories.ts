import { HISTORIES_MAX, type History } from '@branchline/replication/box-protocol.js';
import type { Tx } from '../database/unit-of-work.js';

type Named = { incarnation: string; seq: number };

/** The branch's histories that the box lacks, or has a shorter part of; the newest first. */
export function historiesLackedBy(tx: Tx, branchId: string, named: readonly Named[]): Promise<History[]> {
  return tx.query<History>(LACKED, [
    branchId,
    named.map(({ incarnation }) => incarnation),
    named.map(({ seq }) => seq),
    HISTORIES_MAX,
  ]);
}

const LACKED = `
SELECT i.incarnation, i.box_id AS box, i.epoch, i.applied_seq::float8 AS "appliedSeq", encode(i.head_hash, 'hex') AS "headHash",
  box.signing_key AS "signingKey", box.sealing_key AS "sealingKey", box.certificate
FROM incarnation i
JOIN box ON box.tenant_id = i.tenant_id AND box.id = i.box_id AND box.branch_id = i.branch_id
LEFT JOIN (SELECT unnest($2::uuid[]) AS incarnation, unnest($3::bigint[]) AS seq) named ON named.incarnation = i.incarnation
WHERE i.branch_id = $1 AND i.applied_seq > coalesce(named.seq, 0)
ORDER BY i.opened_at DESC, i.incarnation LIMIT $4`;

/** The highest epoch that the branch has seen or that another box of it was granted; 0: none. A number given twice would print receipts twice. */
export async function highestEpoch(tx: Tx, branchId: string, exceptBox: string | null): Promise<number> {
  const { epoch } = await tx.one<{ epoch: number }>(HIGHEST_EPOCH, [branchId, exceptBox]);
  return epoch;
}

const HIGHEST_EPOCH = `
SELECT greatest(
  (SELECT max(epoch) FROM incarnation WHERE branch_id = $1),
  (SELECT max(first_epoch) FROM box WHERE branch_id = $1 AND id IS DISTINCT FROM $2::uuid),
  0) AS epoch`;
