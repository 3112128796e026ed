import { correctionId } from '@branchline/replication/correction-id.js';
import { HUB_ACTOR, recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import type { ReadyLine } from '../sync/read-line.js';
import type { At } from './conflict-effect.js';
import { orderInstead } from './fact-effects.js';

type Settling = { id: string; strategy: string; type: string; kind: string; key: string; takenBack: string | null };

/** `conflicts`: whose lines a push brought. `reversed`: sales that it takes back, for whatever reason. */
export type Answers = { conflicts: string[]; reversed: string[] };

/** Of nearly all pushes nothing. */
export function conflictsAnswered(lines: readonly ReadyLine[]): Answers {
  const [conflicts, reversed] = [new Set<string>(), new Set<string>()];
  for (const line of lines) {
    if (line.kind !== 'sale') continue;
    if (line.body.conflict !== undefined) conflicts.add(line.body.conflict);
    if (line.body.reverses !== undefined) reversed.add(line.body.reverses.sale);
  }
  return { conflicts: [...conflicts], reversed: [...reversed] };
}

/**
 * Settles those whose lines are all facts now. A sale is taken back once: where another line did it, by another decision or
 * by the store itself, the branch writes nothing for this one. Then it is settled too, unless something stands in the
 * place of the sale: that is what it is about from then on, and the branch is told so.
 * @returns how many
 */
export async function settleConflicts(tx: Tx, branchId: string, answers: Answers, at: At): Promise<number> {
  const { conflicts, reversed } = answers;
  if (conflicts.length === 0 && reversed.length === 0) return 0;
  const settling = await tx.query<Settling>(SETTLING, [branchId, conflicts, reversed]);
  let settled = 0;
  for (const conflict of settling) {
    const lines = (await ownLines(tx, branchId, conflict)) ?? (await linesOfAnother(tx, branchId, conflict));
    if (lines === null) continue;
    const { id, strategy, type, kind, key } = conflict;
    await tx.execute(
      `UPDATE conflict SET state = 'settled', settled_at = to_timestamp($2::bigint / 1000.0) WHERE id = $1`,
      [id, at.nowMs],
    );
    const detail = { type, kind, key, strategy, lines };
    const entry = { actor: HUB_ACTOR, action: 'conflict.settle', subject: `conflict:${id}`, branchId, detail };
    await recordAudit(tx, entry, at);
    settled += 1;
  }
  return settled;
}

/** Also those about a sale that a decision told of here has replaced. */
const SETTLING = `
SELECT id, strategy, type, kind, key, taken_back AS "takenBack" FROM conflict
WHERE branch_id = $1 AND state = 'settling' AND (id = ANY ($2::uuid[]) OR taken_back = ANY ($3::uuid[]) OR taken_back::text IN (
  SELECT other.key FROM conflict other WHERE other.branch_id = $1 AND other.kind = 'sale' AND other.id = ANY ($2::uuid[])))
ORDER BY id FOR UPDATE`;

/** All that the branch had to write; null: some is not here. */
async function ownLines(tx: Tx, branchId: string, { id, type }: Settling): Promise<string[] | null> {
  const needed = [correctionId(id, 'reversal')];
  if (type === 'data_mismatch') needed.push(correctionId(id, 'replacement'));
  return (await standing(tx, branchId, needed)).length < needed.length ? null : needed;
}

/** The line by which the sale was taken back for another reason; null: none did, or it is not the end of it. */
async function linesOfAnother(tx: Tx, branchId: string, { id, takenBack }: Settling): Promise<string[] | null> {
  if (takenBack === null) return null;
  const rows = await tx.query<{ id: string }>(
    'SELECT reversal_id AS id FROM sale_reversal WHERE branch_id = $1 AND sale_id = $2 ORDER BY reversal_id',
    [branchId, takenBack],
  );
  const reversals = rows.map((row) => row.id);
  if (reversals.length === 0 || reversals.includes(correctionId(id, 'reversal'))) return null;
  const others = await tx.query<{ id: string }>(DECIDED, [branchId, takenBack, id]);
  const replacing = others.filter((other) => reversals.includes(correctionId(other.id, 'reversal')));
  // Its other half is told with the next push.
  const [replacement] = replacing.map((other) => correctionId(other.id, 'replacement'));
  if (replacement === undefined) return reversals;
  if ((await standing(tx, branchId, [replacement])).length > 0) await orderInstead(tx, id, replacement);
  return null;
}

/** Decisions that have the sale taken back and something recorded in its place. */
const DECIDED = `
SELECT id FROM conflict WHERE branch_id = $1 AND kind = 'sale' AND type = 'data_mismatch' AND state <> 'open' AND key = $2::text AND id <> $3`;

async function standing(tx: Tx, branchId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await tx.query<{ id: string }>('SELECT id FROM sale WHERE branch_id = $1 AND id = ANY ($2::uuid[])', [
    branchId,
    ids,
  ]);
  return rows.map(({ id }) => id);
}
