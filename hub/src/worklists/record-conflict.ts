import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { storableText } from '../sync/storable.js';

export const CONFLICT_TYPES = ['duplicate', 'data_mismatch', 'constraint_violation'] as const;
export type ConflictType = (typeof CONFLICT_TYPES)[number];
export const STRATEGIES = ['keep_hub', 'keep_branch', 'merge'] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** A line of one of the branch's histories. */
export type LineRef = { incarnation: string; seq: number };

/** What people are asked to decide. `first` stands at the hub, `second` came later. */
export type NewConflict = {
  type: ConflictType;
  /** Of the aggregate, as journal lines name it: `sale`, `customer`, … */
  kind: string;
  key: string;
  /** Null where it is not about two lines; then the contents say what it is about, without what reaches a person. */
  first: LineRef | null;
  second: LineRef | null;
  hub?: Record<string, unknown> | null;
  branch?: Record<string, unknown> | null;
  suggested: Strategy;
  /** Why that is suggested, for a person who has never heard of lines. */
  reason: string;
};

const KEY_CHARACTERS_MAX = 100;
const REASON_CHARACTERS_MAX = 500;

/** One conflict that is not about two lines. @returns its id */
export async function recordConflict(
  tx: Tx,
  branchId: string,
  conflict: NewConflict,
  at: { nowMs: number; newId: NewId },
): Promise<string> {
  const [id] = await recordConflicts(tx, branchId, [conflict], at);
  if (id === undefined) throw new Error(`the conflict about ${conflict.kind} ${conflict.key} was recorded before`);
  return id;
}

/** Those that the same lines told before, with the same type, are left alone. @returns the ids of the new ones */
export async function recordConflicts(
  tx: Tx,
  branchId: string,
  conflicts: readonly NewConflict[],
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<string[]> {
  if (conflicts.length === 0) return [];
  const rows = conflicts.map(({ first, second, key, reason, ...conflict }) => ({
    ...conflict,
    id: newId(),
    key: storableText(key, KEY_CHARACTERS_MAX),
    reason: storableText(reason, REASON_CHARACTERS_MAX),
    firstIncarnation: first?.incarnation,
    firstSeq: first?.seq,
    secondIncarnation: second?.incarnation,
    secondSeq: second?.seq,
  }));
  const recorded = await tx.query<{ id: string }>(INSERT, [tx.tenantId, branchId, JSON.stringify(rows), nowMs]);
  return recorded.map(({ id }) => id);
}

/** So many of a branch wait for people; what comes beyond them is marked on the sale, and told as one incident. */
const OPEN_MAX = 1_000;

/** What ingest finds: a store that sells the same over and over fills no list without end. @returns how many are new */
export async function recordDisputes(
  tx: Tx,
  branchId: string,
  disputes: readonly NewConflict[],
  at: { nowMs: number; newId: NewId },
): Promise<number> {
  if (disputes.length === 0) return 0;
  const { open } = await tx.one<{ open: number }>(
    `SELECT count(*) AS open FROM conflict WHERE branch_id = $1 AND state = 'open'`,
    [branchId],
  );
  const taken = disputes.slice(0, Math.max(0, OPEN_MAX - open));
  if (taken.length < disputes.length) {
    const detail = `${OPEN_MAX} conflicts of the branch wait to be decided; ${disputes.length - taken.length} more are only marked on their sales`;
    await raiseIncident(tx, { branchId, code: 'conflicts-unread', key: 'conflicts', detail }, at);
  }
  return (await recordConflicts(tx, branchId, taken, at)).length;
}

const INSERT = `
INSERT INTO conflict (tenant_id, branch_id, id, type, kind, key, first_incarnation, first_seq, second_incarnation, second_seq, hub_content,
  branch_content, suggested, reason, state, at)
SELECT $1, $2, id, type, kind, key, "firstIncarnation", "firstSeq", "secondIncarnation", "secondSeq", hub, branch, suggested, reason, 'open',
  to_timestamp($4::bigint / 1000.0)
FROM jsonb_to_recordset($3::jsonb) AS r (id uuid, type text, kind text, key text, "firstIncarnation" uuid, "firstSeq" bigint,
  "secondIncarnation" uuid, "secondSeq" bigint, hub jsonb, branch jsonb, suggested text, reason text)
ON CONFLICT (branch_id, second_incarnation, second_seq, type) DO NOTHING
RETURNING id`;
