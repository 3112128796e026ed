import { bounded, NO_CUSTOMER, standing, withoutPast, type CustomerState } from '@branchline/domain/customer.js';
import { WRITERS_MAX } from '@branchline/replication/customer-record.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { takeEdit, type EditFrom, type EditOfCustomer } from './merge-edits.js';

/** An edit as it lies here, and when the hub took it in. `branch`: that told it; null: head office. */
export type CameEdit = EditOfCustomer & { cameAtMs: number; from: EditFrom; branch: string | null };

/** Two branches that told within so long may have been taken in in the other order. */
const AT_ONCE_MS_MAX = 5_000;

/** `isCut`: more was written at once than is kept, so that what is left follows from how pushes were cut too. */
export type Replayed = { state: CustomerState; isCut: boolean };

/**
 * What all edits of a customer come to, from nothing, each taken as it was when it came: what was decided then follows from
 * the order in which they came, and that stands in the archive.
 * @param edits of one customer, in that order
 */
export function replayEdits(edits: readonly CameEdit[]): Replayed {
  const come = new Set(edits.map(({ id }) => id));
  let isCut = false;
  const whole = edits.reduce((all, edit) => {
    const next = takeEdit(all, edit, edit.cameAtMs, edit.from);
    isCut ||= edits.length > WRITERS_MAX && Object.values(next.fields).some(({ live }) => live.length > WRITERS_MAX);
    return next;
  }, NO_CUSTOMER);
  const state = bounded(
    withoutPast(whole, (edit) => come.has(edit)),
    WRITERS_MAX,
  );
  return { state, isCut };
}

/**
 * Whether a customer's region may be what was decided where branches told of it at once, so that the archive does not say
 * who was first: it is one that head office or one of the first has written, and nobody wrote over it.
 */
export function mayBeRegion(state: CustomerState, edits: readonly CameEdit[]): boolean {
  const writes = edits.filter(({ changes }) => changes['region'] !== undefined);
  const live = state.fields['region']?.live ?? [];
  const firstAtMs = writes[0]?.cameAtMs ?? 0;
  const stands = standing(state, 'region');
  const decided = writes.filter(({ from, cameAtMs }) => from === 'office' || cameAtMs <= firstAtMs + AT_ONCE_MS_MAX);
  if (!decided.some(({ changes }) => changes['region']?.value === stands?.value)) return false;
  const kept = new Set([...live.map(({ edit }) => edit), ...writes.flatMap((e) => (e.from === 'office' ? e.id : []))]);
  const over = new Set(writes.flatMap(({ id, changes }) => (kept.has(id) ? (changes['region']?.over ?? []) : [])));
  return (
    [...kept].filter((id) => !over.has(id)).length === live.length &&
    live.every(({ edit, value, box }) =>
      writes.some((write) => write.id === edit && write.box === box && write.changes['region']?.value === value),
    )
  );
}

const changesSchema = z.record(z.string(), z.looseObject({ value: z.string().nullable(), over: z.array(z.string()) }));

/** Edits of these customers, in the order in which they came. One whose row was altered into none is nobody's word. */
export async function editsAsTheyCame(tx: Tx, ids: readonly string[]): Promise<Map<string, CameEdit[]>> {
  const edits = new Map<string, CameEdit[]>();
  for (const edit of await tx.query<CameEdit>(EDITS, [ids])) {
    if (!changesSchema.safeParse(edit.changes).success) continue;
    const ofCustomer = edits.get(edit.customer);
    if (ofCustomer) ofCustomer.push(edit);
    else edits.set(edit.customer, [edit]);
  }
  return edits;
}

/** Also where the row that says so is lost: people were asked about it, and a delete is for ever. */
const IS_WITHHELD = `(w.id IS NOT NULL OR e.op = 'delete' AND ${isAskedAbout('e')})`;

/** Of an edit, whether people were asked about it as about a delete that is withheld. */
export function isAskedAbout(edit: string): string {
  return `EXISTS (SELECT FROM conflict asked WHERE asked.branch_id = ${edit}.branch_id AND asked.second_incarnation = ${edit}.incarnation
    AND asked.second_seq = ${edit}.seq AND asked.type = 'constraint_violation' AND asked.kind = 'customer')`;
}

/**
 * A line that waited in quarantine came when it was mended. A branch speaks for its own boxes alone, and not of what was
 * withheld (`customer-facts.ts`).
 */
const EDITS = `
SELECT id, customer, op, box, hlc, changes, "from", branch, round(extract(epoch FROM came) * 1000)::bigint AS "cameAtMs" FROM (
  SELECT e.id, e.customer_id AS customer, CASE WHEN ${IS_WITHHELD} THEN 'edit' ELSE e.op END AS op, coalesce(own.id, i.box_id) AS box, e.hlc,
    CASE WHEN ${IS_WITHHELD} THEN '{}' ELSE e.changes END AS changes, 'branch' AS "from", e.branch_id AS branch,
    coalesce(q.tried_at, (SELECT c.received_at FROM journal_chunk c
      WHERE c.branch_id = e.branch_id AND c.incarnation = e.incarnation AND c.last_seq >= e.seq ORDER BY c.last_seq LIMIT 1)) AS came,
    e.incarnation, e.seq
  FROM customer_edit e
  JOIN incarnation i ON i.branch_id = e.branch_id AND i.incarnation = e.incarnation
  LEFT JOIN box own ON own.id = e.box AND own.branch_id = e.branch_id
  LEFT JOIN customer_edit_withheld w ON w.branch_id = e.branch_id AND w.id = e.id
  LEFT JOIN quarantine q ON q.branch_id = e.branch_id AND q.incarnation = e.incarnation AND q.seq = e.seq AND q.state = 'mended'
  WHERE e.customer_id = ANY ($1::uuid[])
  UNION ALL
  SELECT id, customer_id, op, coalesce(box, '00000000-0000-0000-0000-000000000000'), hlc, changes, 'office', NULL, at, NULL, NULL
  FROM customer_office_edit WHERE customer_id = ANY ($1::uuid[])
) told ORDER BY customer, came, incarnation, seq, id`;
