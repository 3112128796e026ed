import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch, ProjectedLines } from './facts.js';
import type { ReadyLine, SetAside } from './read-line.js';
import { recordConflicts, recordDisputes } from '../worklists/record-conflict.js';
import { conflictsAnswered, settleConflicts } from '../worklists/settle-conflicts.js';
import { storableText } from './storable.js';

const INSERT_QUARANTINE = `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, waits_for, state, attempts, at, tried_at)
  SELECT $1, $2, $3, id, seq, kind, key, code, detail, coalesce("waitsFor", '{}'), CASE WHEN held THEN 'held' ELSE 'open' END, 1, to_timestamp($5::bigint / 1000.0),
    to_timestamp($5::bigint / 1000.0)
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, seq bigint, kind text, key text, code text, detail text, held boolean, "waitsFor" text[])`;

/** Announced by a push that left lines untried: they have their turn right after it. */
export const UNTRIED_TOPIC = 'untried';
/** Announced by what may have brought the fact that other lines of the branch wait for. */
export const PARENT_TOPIC = 'parent';

export async function recordSetAside(
  tx: Tx,
  context: FactContext,
  lines: readonly SetAside[],
  newId: NewId,
): Promise<void> {
  if (lines.length === 0) return;
  const rows = lines.map((line) => ({ id: newId(), ...line }));
  await tx.query(INSERT_QUARANTINE, [
    context.tenantId,
    context.branchId,
    context.incarnation,
    JSON.stringify(rows),
    context.nowMs,
  ]);
  if (lines.some(({ code }) => code === 'not-tried')) tx.announced.add(UNTRIED_TOPIC);
  if (lines.some(({ code }) => code === 'waits-for-parent'))
    await tx.execute('UPDATE branch_stream SET waits_for_parent = true WHERE branch_id = $1', [context.branchId]);
}

/** The first stands; that there are two is a conflict for people, and the second is set aside. */
async function recordMismatches(
  tx: Tx,
  context: FactContext,
  mismatches: readonly Mismatch[],
  newId: NewId,
): Promise<SetAside[]> {
  if (mismatches.length === 0) return [];
  const reason =
    'Another content under the same id was recorded first. A finished fact never changes: if the second is right, the first is reversed and the second recorded anew.';
  const conflicts = mismatches.map(({ line, first }) => ({
    type: 'data_mismatch' as const,
    kind: line.kind,
    key: line.key,
    first,
    second: { incarnation: context.incarnation, seq: line.seq },
    suggested: 'keep_hub' as const,
    reason,
  }));
  await recordConflicts(tx, context.branchId, conflicts, { nowMs: context.nowMs, newId });
  const hidden = mismatches.find(({ isHidden }) => isHidden);
  if (hidden) await reportHidden(tx, context, hidden, newId);
  return mismatches.map(({ line, first }) => ({
    seq: line.seq,
    kind: line.kind,
    key: storableText(line.key, 100),
    code: 'data-mismatch',
    detail: `differs from line ${first.seq} of incarnation ${first.incarnation}`,
    held: false,
  }));
}

/** No two tellings of one fact come to this: the box that wrote the line hashed something else than it tells. */
async function reportHidden(tx: Tx, context: FactContext, { line, first }: Mismatch, newId: NewId): Promise<void> {
  const { branchId, incarnation, nowMs } = context;
  const detail = `line ${line.seq} of ${incarnation} has the content hash of line ${first.seq} of ${first.incarnation} and tells something else: look at the box that wrote it.`;
  const incident = { branchId, code: 'same-hash-other-content', key: incarnation, detail };
  await raiseIncident(tx, incident, { nowMs, newId });
}

/**
 * What a projection leaves for people: conflicts that are new, and those that its lines settle. @returns `setAside`: lines
 * that contradict a fact; `isNews`: the branch is to be told
 */
export async function recordOutcome(
  tx: Tx,
  context: FactContext,
  lines: readonly ReadyLine[],
  { mismatches, disputes }: ProjectedLines,
  newId: NewId,
): Promise<{ setAside: SetAside[]; isNews: boolean }> {
  const setAside = await recordMismatches(tx, context, mismatches, newId);
  const at = { nowMs: context.nowMs, newId };
  const recorded = await recordDisputes(tx, context.branchId, disputes, at);
  const settled = await settleConflicts(tx, context.branchId, conflictsAnswered(lines), at);
  return { setAside, isNews: setAside.length + recorded + settled > 0 };
}

/** What still waits between two lines of a stream: told with every acknowledgement, also of a push that came before. */
export async function quarantinedOf(
  tx: Tx,
  branchId: string,
  incarnation: string,
  fromSeq: number,
  toSeq: number,
): Promise<{ seq: number; code: string; detail: string }[]> {
  return tx.query(
    `SELECT seq, code, detail FROM quarantine
     WHERE branch_id = $1 AND incarnation = $2 AND seq BETWEEN $3 AND $4 AND state IN ('open', 'held') ORDER BY seq`,
    [branchId, incarnation, fromSeq, toSeq],
  );
}
