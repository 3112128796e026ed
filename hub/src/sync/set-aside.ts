import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch } from './facts.js';
import type { SetAside } from './read-line.js';
import { storableText } from './storable.js';

const INSERT_QUARANTINE = `INSERT INTO quarantine (tenant_id, branch_id, incarnation, id, seq, kind, key, code, detail, state, attempts, at, tried_at)
  SELECT $1, $2, $3, id, seq, kind, key, code, detail, CASE WHEN held THEN 'held' ELSE 'open' END, 1, to_timestamp($5::bigint / 1000.0),
    to_timestamp($5::bigint / 1000.0)
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, seq bigint, kind text, key text, code text, detail text, held boolean)`;

const INSERT_CONFLICTS = `INSERT INTO conflict (tenant_id, branch_id, second_incarnation, id, type, kind, key, first_incarnation, first_seq, second_seq,
    suggested, reason, state, at)
  SELECT $1, $2, $3, id, 'data_mismatch', kind, key, "firstIncarnation", "firstSeq", seq, 'keep_hub', reason, 'open', to_timestamp($5::bigint / 1000.0)
  FROM jsonb_to_recordset($4::jsonb) AS r (id uuid, kind text, key text, "firstIncarnation" uuid, "firstSeq" bigint, seq bigint, reason text)
  ON CONFLICT DO NOTHING`;

/** Announced by a push that left lines untried: they have their turn right after it. */
export const UNTRIED_TOPIC = 'untried';

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
}

/** The first stands; that there are two is a conflict for people, and the second is set aside. */
export async function recordMismatches(
  tx: Tx,
  context: FactContext,
  mismatches: readonly Mismatch[],
  newId: NewId,
): Promise<SetAside[]> {
  if (mismatches.length === 0) return [];
  const reason =
    'Another content under the same id was recorded first. A finished fact never changes: if the second is right, reverse the first.';
  const rows = mismatches.map(({ line, first }) => ({
    id: newId(),
    kind: line.kind,
    key: storableText(line.key, 100),
    firstIncarnation: first.incarnation,
    firstSeq: first.seq,
    seq: line.seq,
    reason,
  }));
  await tx.query(INSERT_CONFLICTS, [
    context.tenantId,
    context.branchId,
    context.incarnation,
    JSON.stringify(rows),
    context.nowMs,
  ]);
  return mismatches.map(({ line, first }) => ({
    seq: line.seq,
    kind: line.kind,
    key: storableText(line.key, 100),
    code: 'data-mismatch',
    detail: `differs from line ${first.seq} of incarnation ${first.incarnation}`,
    held: false,
  }));
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
     WHERE branch_id = $1 AND incarnation = $2 AND seq BETWEEN $3 AND $4 AND state <> 'mended' ORDER BY seq`,
    [branchId, incarnation, fromSeq, toSeq],
  );
}
