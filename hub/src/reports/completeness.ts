import type { Tx } from '../database/unit-of-work.js';
import { judgeSeals, type BranchHistory } from './judge-seals.js';

/** How far a branch is known, for a report up to a date. */
export type Completeness = {
  branch: string;
  /** A day seal of that date or a later one is applied, and with it everything before it. */
  complete: boolean;
  /** Complete, nothing up to that seal waits in quarantine, and no till was listed with it as still holding sales. */
  final: boolean;
  /** The last line applied of the newest history; null for a branch never heard of. */
  knownTo: { incarnation: string; epoch: number; seq: number; at: string } | null;
  lastContactAt: string | null;
  /** Sales that were added to dates of the report after their seal; they are in its sums. */
  amendments: number;
};

type Row = BranchHistory & {
  branch: string;
  incarnation: string | null;
  epoch: number;
  seq: number;
  lastLineAt: Date;
  lastContactAt: Date | null;
  amendments: number;
};

/** Of a report over these business dates. */
export async function completenessOf(
  tx: Tx,
  branchIds: readonly string[],
  { from, to }: { from: string; to: string },
): Promise<Completeness[]> {
  const rows = await tx.query<Row>(COMPLETENESS, [branchIds, to, from]);
  return rows.map(({ branch, incarnation, epoch, seq, lastLineAt, lastContactAt, amendments, ...history }) => ({
    branch,
    ...judgeSeals(history),
    knownTo: incarnation === null ? null : { incarnation, epoch, seq, at: lastLineAt.toISOString() },
    lastContactAt: lastContactAt?.toISOString() ?? null,
    amendments,
  }));
}

/**
 * Of all seals that cover the date three are asked: the first one, before which the fewest lines can wait, the first that
 * lists no till as still holding sales, and the last one, which stands in the history that went on. Of what waits only the first line of each history counts.
 */
const COMPLETENESS = `
SELECT b.code AS branch,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('incarnation', s.incarnation, 'seq', s.seq, 'tillsHolding', s.holding)), '[]') FROM (
    (SELECT incarnation, seq, jsonb_array_length(tills_holding) AS holding FROM day_seal WHERE branch_id = b.id AND business_date >= $2::date ORDER BY business_date LIMIT 1)
    UNION
    (SELECT incarnation, seq, 0 AS holding FROM day_seal
      WHERE branch_id = b.id AND business_date >= $2::date AND tills_holding = '[]' ORDER BY business_date LIMIT 1)
    UNION
    (SELECT incarnation, seq, jsonb_array_length(tills_holding) AS holding FROM day_seal WHERE branch_id = b.id AND business_date >= $2::date ORDER BY business_date DESC LIMIT 1)) s
  ) AS seals,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('incarnation', i.incarnation, 'appliedSeq', i.applied_seq,
      'previous', i.previous_incarnation, 'previousSeq', i.previous_seq)), '[]')
    FROM incarnation i WHERE i.branch_id = b.id) AS histories,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('incarnation', w.incarnation, 'seq', w.seq)), '[]') FROM (
    SELECT q.incarnation, min(q.seq) AS seq FROM quarantine q WHERE q.branch_id = b.id AND q.state IN ('open', 'held') GROUP BY 1) w
  ) AS waiting,
  (SELECT count(*) FROM day_amendment a WHERE a.branch_id = b.id AND a.business_date BETWEEN $3::date AND $2::date) AS amendments,
  newest.incarnation, newest.epoch, newest.applied_seq AS seq, newest.last_line_at AS "lastLineAt",
  greatest(contact.at, stream.last_push_at) AS "lastContactAt"
FROM branch b
LEFT JOIN LATERAL (SELECT i.incarnation, i.epoch, i.applied_seq, i.last_line_at FROM incarnation i WHERE i.branch_id = b.id
  ORDER BY i.epoch DESC, i.last_push_at DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (SELECT max(greatest(x.last_contact_at, heard.at)) AS at
  FROM box x LEFT JOIN box_contact heard ON heard.box_id = x.id WHERE x.tenant_id = b.tenant_id AND x.branch_id = b.id) contact ON true
LEFT JOIN branch_stream stream ON stream.branch_id = b.id
WHERE b.id = ANY ($1::uuid[]) ORDER BY b.code`;
