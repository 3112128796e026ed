import { pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Contact, Contacts } from '../sync/contacts.js';
import { boxWordSchema, lastVerificationSchema, provedToSchema, type BoxWord } from '../verify/answer.js';
import { wordsOfBoxes } from '../verify/box-proof.js';
import { toldSeq } from '../verify/told-seq.js';

/** One branch's box as head office last heard of it; nulls for a branch that has none yet. */
export const fleetItemSchema = z.strictObject({
  branch: z.string(),
  name: z.string(),
  box: z.uuid().nullable(),
  version: z.string().nullable(),
  incarnation: z.uuid().nullable().meta({ description: 'the newest history, and where it stands here' }),
  epoch: z.int().nullable(),
  appliedSeq: z.int(),
  headHash: z.string().nullable(),
  lastContactAt: z.iso.datetime().nullable(),
  line: z.enum(['heard', 'silent', 'never']).meta({
    description: 'silent: not heard for two and a half times as long as its box waits between two polls',
  }),
  lastLineAt: z.iso.datetime().nullable(),
  missing: z.int().nullable().meta({
    description:
      'lines that the box had at its last hello and that are not here yet: what is known to be missing, no more; null before a hello',
  }),
  quarantined: z.int().meta({ description: 'lines of this branch that wait in quarantine' }),
  quarantinedSince: z.iso.datetime().nullable().meta({ description: 'since when the oldest of them waits' }),
  conflicts: z.int().meta({ description: 'conflicts about this branch that nobody has decided' }),
  sealedTo: z.iso
    .date()
    .nullable()
    .meta({ description: 'the last business date that is sealed here, and with it all earlier ones' }),
  lastVerification: lastVerificationSchema,
  provedTo: provedToSchema,
  boxes: z.array(boxWordSchema).meta({
    description:
      'what its boxes say of themselves, each with how far its rows are proved against its journal and the feeds',
  }),
  incidents: z.int().meta({ description: 'of this branch that nobody has closed' }),
});
export type FleetItem = z.infer<typeof fleetItemSchema>;

/** As an edge comes; of one that asks more often no less is expected, for a moment's trouble is none. */
const POLL_MS_USUAL = 30_000;
/** Less would call a line silent whose box only waits for its next poll. */
const SILENT_POLLS_MAX = 2.5;

type Row = Omit<
  FleetItem,
  'lastContactAt' | 'line' | 'quarantinedSince' | 'lastLineAt' | 'lastVerification' | 'provedTo' | 'boxes'
> & {
  id: string;
  lastContactAt: Date | null;
  pollMs: number | null;
  quarantinedSince: Date | null;
  lastLineAt: Date | null;
  verifiedAt: Date | null;
  verifiedOutcome: 'equal' | 'differs';
  verifiedSeq: number;
  provedIncarnation: string | null;
  provedEpoch: number;
  provedSeq: number;
  provedHash: string;
  provedAt: Date;
};

/** @param branches in the order of their codes, one more than `limit` when there are more */
export async function listFleet(
  tx: Tx,
  branches: readonly BranchRow[],
  limit: number,
  { contacts, nowMs }: { contacts: Contacts; nowMs: number },
): Promise<Page<FleetItem>> {
  const ids = branches.slice(0, limit + 1).map(({ id }) => id);
  const rows = await tx.query<Row>(FLEET, [ids]);
  const words = await wordsOfBoxes(tx, ids);
  return pageOf(
    rows,
    limit,
    ({ branch }) => [branch],
    (row) => shown(row, words.get(row.id) ?? [], row.box === null ? undefined : contacts.last(row.box), nowMs),
  );
}

/** @param heard by this process; what the row has may come from another one */
function shown({ id: _id, ...row }: Row, boxes: BoxWord[], heard: Contact | undefined, nowMs: number): FleetItem {
  const { lastContactAt, pollMs, quarantinedSince, lastLineAt, verifiedAt, verifiedOutcome, verifiedSeq, ...rest } =
    row;
  const { provedIncarnation: incarnation, provedEpoch, provedSeq, provedHash, provedAt, ...item } = rest;
  const contactAtMs = Math.max(lastContactAt?.getTime() ?? 0, heard?.atMs ?? 0);
  const silentMsMax = SILENT_POLLS_MAX * Math.max(POLL_MS_USUAL, (heard ? heard.pollMs : pollMs) ?? 0);
  return {
    ...item,
    lastContactAt: contactAtMs === 0 ? null : new Date(contactAtMs).toISOString(),
    line: contactAtMs === 0 ? 'never' : nowMs - contactAtMs > silentMsMax ? 'silent' : 'heard',
    quarantinedSince: quarantinedSince?.toISOString() ?? null,
    lastLineAt: lastLineAt?.toISOString() ?? null,
    boxes,
    lastVerification: verifiedAt && { at: verifiedAt.toISOString(), outcome: verifiedOutcome, seq: verifiedSeq },
    provedTo:
      incarnation === null
        ? null
        : {
            incarnation,
            epoch: provedEpoch,
            seq: provedSeq,
            hash: provedHash,
            at: provedAt.toISOString(),
          },
  };
}

/**
 * The box is the one of the newest history; before its first push the one enrolled last. Every push is checked and signed
 * before it is acknowledged, so a head is proved from then on, unless the last verification has found otherwise.
 */
const FLEET = `
SELECT b.id, b.code AS branch, b.name, x.id AS box, x.version, newest.incarnation, newest.epoch, coalesce(${toldSeq('newest.applied_seq')}, 0) AS "appliedSeq",
  encode(newest.head_hash, 'hex') AS "headHash", greatest(x.last_contact_at, contact.at, stream.last_push_at) AS "lastContactAt",
  contact.poll_ms AS "pollMs",
  newest.last_line_at AS "lastLineAt",
  CASE WHEN x.told->>'seq' IS NOT NULL THEN greatest(0, (x.told->>'seq')::bigint
    - CASE WHEN (x.told->>'incarnation')::uuid = newest.incarnation THEN newest.applied_seq ELSE 0 END) END AS missing,
  (SELECT count(*) FROM quarantine q WHERE q.branch_id = b.id AND q.state IN ('open', 'held')) AS quarantined,
  (SELECT min(q.at) FROM quarantine q WHERE q.branch_id = b.id AND q.state IN ('open', 'held')) AS "quarantinedSince",
  (SELECT count(*) FROM conflict c WHERE c.branch_id = b.id AND c.state = 'open') AS conflicts,
  (SELECT count(*) FROM incident n WHERE n.branch_id = b.id AND n.closed_at IS NULL) AS incidents,
  (SELECT max(s.business_date) FROM day_seal s WHERE s.branch_id = b.id) AS "sealedTo",
  v.at AS "verifiedAt", v.outcome AS "verifiedOutcome", v.seq AS "verifiedSeq",
  proved.incarnation AS "provedIncarnation", proved.epoch AS "provedEpoch", ${toldSeq('proved.applied_seq')} AS "provedSeq",
  encode(proved.head_hash, 'hex') AS "provedHash", greatest(proved.last_push_at, v.at) AS "provedAt"
FROM branch b
LEFT JOIN branch_verification v ON v.branch_id = b.id
LEFT JOIN LATERAL (SELECT i.* FROM incarnation i
  WHERE i.branch_id = b.id AND i.head_signature IS NOT NULL AND i.incarnation <> ALL (coalesce(v.unproved, '{}'))
  ORDER BY i.epoch DESC, i.last_push_at DESC LIMIT 1) proved ON true
LEFT JOIN LATERAL (SELECT i.* FROM incarnation i WHERE i.branch_id = b.id ORDER BY i.epoch DESC, i.last_push_at DESC LIMIT 1) newest ON true
LEFT JOIN LATERAL (SELECT box.* FROM box WHERE box.tenant_id = b.tenant_id AND box.branch_id = b.id
  ORDER BY (box.id = newest.box_id) DESC NULLS LAST, box.revoked_at IS NULL DESC, box.enrolled_at DESC LIMIT 1) x ON true
LEFT JOIN box_contact contact ON contact.box_id = x.id
LEFT JOIN branch_stream stream ON stream.branch_id = b.id
WHERE b.id = ANY ($1::uuid[]) ORDER BY b.code`;
