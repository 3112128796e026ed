import type { Tx } from '../database/unit-of-work.js';

/** How far a branch is known, for a report up to a date. */
export type Completeness = {
  branch: string;
  /** A day seal of that date or a later one is applied, and with it everything before it. */
  complete: boolean;
  /** Complete, and nothing up to that seal waits in quarantine. */
  final: boolean;
  /** The last line applied of the newest history; null for a branch never heard of. */
  knownTo: { incarnation: string; epoch: number; seq: number; at: string } | null;
  lastContactAt: string | null;
};

type Row = {
  branch: string;
  sealed: boolean;
  waiting: boolean;
  incarnation: string | null;
  epoch: number;
  seq: number;
  lastLineAt: Date;
  lastContactAt: Date | null;
};

/** @param to the last business date of the report */
export async function completenessOf(tx: Tx, branchIds: readonly string[], to: string): Promise<Completeness[]> {
  const rows = await tx.query<Row>(COMPLETENESS, [branchIds, to]);
  return rows.map(({ branch, sealed, waiting, incarnation, epoch, seq, lastLineAt, lastContactAt }) => ({
    branch,
    complete: sealed,
    final: sealed && !waiting,
    knownTo: incarnation === null ? null : { incarnation, epoch, seq, at: lastLineAt.toISOString() },
    lastContactAt: lastContactAt?.toISOString() ?? null,
  }));
}

/** A stream is applied in order, so a seal that is here has all before it. Lines of other histories count as before it. */
const COMPLETENESS = `
SELECT b.code AS branch, seal.seq IS NOT NULL AS sealed,
  EXISTS (SELECT FROM quarantine q WHERE q.branch_id = b.id AND q.state <> 'mended'
    AND (seal.incarnation IS DISTINCT FROM q.incarnation OR q.seq <= seal.seq)) AS waiting,
  newest.incarnation, newest.epoch, newest.applied_seq AS seq, newest.last_line_at AS "lastLineAt",
  greatest(contact.at, stream.last_push_at) AS "lastContactAt"
FROM branch b
LEFT JOIN LATERAL (SELECT s.incarnation, s.seq FROM day_seal s WHERE s.branch_id = b.id AND s.business_date >= $2::date
  ORDER BY s.business_date LIMIT 1) seal ON true
LEFT JOIN LATERAL (SELECT i.incarnation, i.epoch, i.applied_seq, i.last_line_at FROM incarnation i WHERE i.branch_id = b.id
  ORDER BY i.epoch DESC, i.last_push_at DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (SELECT max(x.last_contact_at) AS at FROM box x WHERE x.tenant_id = b.tenant_id AND x.branch_id = b.id) contact ON true
LEFT JOIN branch_stream stream ON stream.branch_id = b.id
WHERE b.id = ANY ($1::uuid[]) ORDER BY b.code`;
