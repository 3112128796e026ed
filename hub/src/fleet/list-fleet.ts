import { pageOf, type Page } from '@branchline/http/pagination.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Contacts } from '../sync/contacts.js';

/** One branch's box as head office last heard of it; nulls for a branch that has none yet. */
export type FleetItem = {
  branch: string;
  name: string;
  box: string | null;
  version: string | null;
  /** The newest history and where it stands here. */
  incarnation: string | null;
  epoch: number | null;
  appliedSeq: number;
  headHash: string | null;
  lastContactAt: string | null;
  lastLineAt: string | null;
  /** Lines that the box had at its last hello and that are not here yet: what is known to be missing, no more. Null before a hello. */
  missing: number | null;
  /** Lines of this branch that wait in quarantine. */
  quarantined: number;
  /** The last business date that is sealed here, and with it all earlier ones. */
  sealedTo: string | null;
};

type Row = Omit<FleetItem, 'lastContactAt' | 'lastLineAt'> & { lastContactAt: Date | null; lastLineAt: Date | null };

/** @param branches in the order of their codes, one more than `limit` when there are more */
export async function listFleet(
  tx: Tx,
  branches: readonly BranchRow[],
  limit: number,
  contacts: Contacts,
): Promise<Page<FleetItem>> {
  const ids = branches.slice(0, limit + 1).map(({ id }) => id);
  const rows = await tx.query<Row>(FLEET, [ids]);
  return pageOf(
    rows,
    limit,
    ({ branch }) => [branch],
    (row) => shown(row, contacts),
  );
}

function shown({ lastContactAt, lastLineAt, ...row }: Row, contacts: Contacts): FleetItem {
  const heardAtMs = row.box === null ? undefined : contacts.lastAtMs(row.box);
  const contactAtMs = Math.max(lastContactAt?.getTime() ?? 0, heardAtMs ?? 0);
  return {
    ...row,
    lastContactAt: contactAtMs === 0 ? null : new Date(contactAtMs).toISOString(),
    lastLineAt: lastLineAt?.toISOString() ?? null,
  };
}

/** The box is the one of the newest history; before its first push the one enrolled last. */
const FLEET = `
SELECT b.code AS branch, b.name, x.id AS box, x.version, newest.incarnation, newest.epoch, coalesce(newest.applied_seq, 0) AS "appliedSeq",
  encode(newest.head_hash, 'hex') AS "headHash", greatest(x.last_contact_at, stream.last_push_at) AS "lastContactAt",
  newest.last_line_at AS "lastLineAt",
  CASE WHEN x.told->>'seq' IS NOT NULL THEN greatest(0, (x.told->>'seq')::bigint
    - CASE WHEN (x.told->>'incarnation')::uuid = newest.incarnation THEN newest.applied_seq ELSE 0 END) END AS missing,
  (SELECT count(*) FROM quarantine q WHERE q.branch_id = b.id AND q.state <> 'mended') AS quarantined,
  (SELECT max(s.business_date) FROM day_seal s WHERE s.branch_id = b.id) AS "sealedTo"
FROM branch b
LEFT JOIN LATERAL (SELECT i.* FROM incarnation i WHERE i.branch_id = b.id ORDER BY i.epoch DESC, i.last_push_at DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (SELECT box.* FROM box WHERE box.tenant_id = b.tenant_id AND box.branch_id = b.id
  ORDER BY (box.id = newest.box_id) DESC NULLS LAST, box.revoked_at IS NULL DESC, box.enrolled_at DESC LIMIT 1) x ON true
LEFT JOIN branch_stream stream ON stream.branch_id = b.id
WHERE b.id = ANY ($1::uuid[]) ORDER BY b.code`;
