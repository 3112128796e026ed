import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch } from './facts.js';
import { projectArchived } from './project-archived.js';
import { publishWorkLists } from '../worklists/publish-work-lists.js';
import { PARENT_KINDS, PARENT_TABLES } from './parents.js';
import { SAVEPOINTS_MAX } from './project-bisecting.js';
import { PARENT_TOPIC } from './set-aside.js';
import { holdBranch } from './streams.js';

/** Halving n lines down to each takes 2n − 1 savepoints: of so few, every one gets a verdict of its own. */
export const RETRIED_LINES_MAX = SAVEPOINTS_MAX / 2;

/**
 * What the hub tries again by itself. `untried`: the push they came with ran out of savepoints before their turn, and
 * nothing may be wrong with them. `held`: this version may know what an older one did not. `parent`: the facts that they
 * build on, for which they waited, stand now.
 */
export type WaitingFor = 'untried' | 'held' | 'parent';

/** A name that no line could bear stands for nothing, and is never cast. */
const standsIn = (
  kind: keyof typeof PARENT_TABLES,
): string => `WHEN w.parent ~ '^${kind}:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    THEN EXISTS (SELECT FROM ${PARENT_TABLES[kind]} f WHERE f.branch_id = q.branch_id AND f.id = substr(w.parent, ${kind.length + 2})::uuid)`;
const stands = `CASE ${PARENT_KINDS.map(standsIn).join(' ')} ELSE false END`;

const CONDITION: Readonly<Record<WaitingFor, string>> = {
  untried: `q.state = 'open' AND q.code = 'not-tried'`,
  held: `q.state = 'held'`,
  parent: `q.state = 'open' AND q.code = 'waits-for-parent' AND NOT EXISTS (SELECT FROM unnest(q.waits_for) AS w (parent) WHERE NOT ${stands})`,
};

export type WaitingPlace = { branchId: string; incarnation: string; seq: number };

const BEFORE_ALL: WaitingPlace = {
  branchId: '00000000-0000-0000-0000-000000000000',
  incarnation: '00000000-0000-0000-0000-000000000000',
  seq: 0,
};

/** The next line of the tenant that waits so, in the order of the key; null: none is left. */
export async function nextWaiting(
  tx: Tx,
  waitingFor: WaitingFor,
  after: WaitingPlace = BEFORE_ALL,
): Promise<WaitingPlace | null> {
  const [next] = await tx.query<WaitingPlace>(
    `SELECT q.branch_id AS "branchId", q.incarnation, q.seq FROM quarantine q
     WHERE ${CONDITION[waitingFor]} AND (q.branch_id, q.incarnation, q.seq) > ($1::uuid, $2::uuid, $3::bigint)
     ORDER BY q.branch_id, q.incarnation, q.seq LIMIT 1`,
    [after.branchId, after.incarnation, after.seq],
  );
  return next ?? null;
}

export type Retrial = {
  /** The last line that had its turn. */
  last: WaitingPlace;
  mended: number;
  mismatches: Mismatch[];
};

type Waiting = { seq: number; code: string; timeZone: string; currency: string };

/** Tries lines of one stream again, from this one on, with savepoints of their own. */
export async function retryWaiting(
  tx: Tx,
  waitingFor: WaitingFor,
  from: WaitingPlace,
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<Retrial> {
  const { branchId, incarnation } = from;
  await holdBranch(tx, branchId);
  const waiting = await tx.query<Waiting>(find(waitingFor), [branchId, incarnation, from.seq, RETRIED_LINES_MAX]);
  // Whoever held the branch before may have tried them.
  const [first] = waiting;
  if (!first) return { last: from, mended: 0, mismatches: [] };
  const { timeZone, currency } = first;
  const facts: FactContext = { tenantId: tx.tenantId, branchId, incarnation, timeZone, currency, nowMs };
  const seqs = waiting.map(({ seq }) => seq);
  const { setAside, mismatches } = await projectArchived(tx, facts, seqs, newId);
  const outcomes = waiting.flatMap(({ seq, code }) => {
    const again = setAside.get(seq);
    // A line that no version up to this one knows: nothing was tried, nothing is noted.
    if (again?.held && waitingFor === 'held') return [];
    const { waitsFor = [] } = again ?? {};
    return { seq, code: again?.code ?? code, detail: again?.detail ?? null, waitsFor, state: stateOf(again) };
  });
  await tx.execute(NOTE, [branchId, incarnation, JSON.stringify(outcomes), nowMs]);
  const mended = outcomes.filter(({ state }) => state === 'mended').length;
  await noteWaiting(tx, branchId, mended);
  if (outcomes.length > 0) await publishWorkLists(tx, branchId, nowMs);
  return { last: { ...from, seq: seqs.at(-1) ?? from.seq }, mended, mismatches };
}

/** Whether the branch still waits, and, when facts came about, that some of it may go on. The caller holds the branch. */
export async function noteWaiting(tx: Tx, branchId: string, mended: number): Promise<void> {
  const { waits } = await tx.one<{ waits: boolean }>(
    `UPDATE branch_stream SET waits_for_parent = EXISTS (
       SELECT FROM quarantine q WHERE q.branch_id = $1 AND q.state = 'open' AND q.code = 'waits-for-parent')
     WHERE branch_id = $1 RETURNING waits_for_parent AS waits`,
    [branchId],
  );
  if (waits && mended > 0) tx.announced.add(PARENT_TOPIC);
}

function stateOf(again: { held: boolean } | undefined): 'mended' | 'open' | 'held' {
  if (!again) return 'mended';
  return again.held ? 'held' : 'open';
}

const find = (waitingFor: WaitingFor): string => `
SELECT q.seq, q.code, b.time_zone AS "timeZone", b.currency
FROM quarantine q
JOIN branch b ON b.id = q.branch_id
WHERE q.branch_id = $1 AND q.incarnation = $2 AND q.seq >= $3 AND ${CONDITION[waitingFor]}
ORDER BY q.seq LIMIT $4 FOR NO KEY UPDATE OF q`;

const NOTE = `
UPDATE quarantine q SET state = r.state, code = r.code, detail = coalesce(r.detail, q.detail), waits_for = r."waitsFor", attempts = q.attempts + 1,
  tried_at = to_timestamp($4::bigint / 1000.0)
FROM jsonb_to_recordset($3::jsonb) AS r (seq bigint, code text, detail text, "waitsFor" text[], state text)
WHERE q.branch_id = $1 AND q.incarnation = $2 AND q.seq = r.seq`;
