import { HELLO_QUARANTINED_MAX, type HelloAnswer, type HelloRequest } from '@branchline/replication/box-protocol.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Stream } from './streams.js';

/**
 * What waits of the lines that the box wrote and does not know to be here: the answer to the push that brought them was lost, or
 * they came by bundle. Of nearly every hello there are none, and nothing is asked.
 */
export async function quarantinedUnheard(
  tx: Tx,
  { branchId, boxId }: { branchId: string; boxId: string },
  named: HelloRequest['incarnations'],
  streams: readonly Stream[],
): Promise<NonNullable<HelloAnswer['quarantined']>> {
  const ranges = named.flatMap(({ incarnation, seq, appliedSeq: heard }) => {
    const held =
      streams.find((stream) => stream.incarnation === incarnation && stream.boxId === boxId)?.appliedSeq ?? 0;
    const upTo = Math.min(held, seq);
    return heard !== undefined && heard < upTo ? [{ incarnation, heard, upTo }] : [];
  });
  if (ranges.length === 0) return [];
  return tx.query(UNHEARD, [
    branchId,
    ranges.map(({ incarnation }) => incarnation),
    ranges.map(({ heard }) => heard),
    ranges.map(({ upTo }) => upTo),
  ]);
}

const UNHEARD = `
SELECT q.incarnation, q.seq, q.code, q.detail
FROM unnest($2::uuid[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS range (incarnation, heard, up_to, no)
JOIN quarantine q ON q.branch_id = $1 AND q.incarnation = range.incarnation AND q.seq > range.heard AND q.seq <= range.up_to
WHERE q.state IN ('open', 'held')
ORDER BY range.no, q.seq LIMIT ${HELLO_QUARANTINED_MAX}`;
