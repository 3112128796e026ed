import { canonicalJson } from '@branchline/replication/canonical-json.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import { lockConflict, type Conflict } from './conflict.js';
import type { Deciding, Decision } from './conflict-effect.js';
import { effectOf } from './conflict-effects.js';
import { publishWorkLists } from './publish-work-lists.js';
import { STRATEGIES } from './record-conflict.js';

/** `merged`: what `merge` comes to, where that has to be told; its fields are checked by what it is about. */
export const resolveInput = z.strictObject({
  strategy: z.enum(STRATEGIES),
  merged: z.record(z.string().max(100), z.unknown()).optional(),
});
export type ResolveInput = z.infer<typeof resolveInput>;

/**
 * One decides, once: who asks the same again is answered the same, and everybody else that it was settled before.
 *
 * @param branchIds in which the asker may decide @throws Problem `not-found`, `already-settled`, `strategy-not-allowed`,
 *   `not-decidable`, `invalid-field`
 */
export async function resolveConflict(
  tx: Tx,
  { id, input, by, branchIds }: { id: string; input: ResolveInput; by: string; branchIds: readonly string[] },
  deciding: Deciding,
): Promise<void> {
  const [found] = await tx.query<{ branchId: string }>('SELECT branch_id AS "branchId" FROM conflict WHERE id = $1', [
    id,
  ]);
  if (!found || !branchIds.includes(found.branchId)) throw problem('not-found');
  // The branch first, as everything that may come to the same rows; one that never pushed has no such lock.
  await tx.query('SELECT FROM branch_stream WHERE branch_id = $1 FOR NO KEY UPDATE', [found.branchId]);
  const conflict = await lockConflict(tx, id);
  const said: Decision = { strategy: input.strategy, merged: input.merged ?? null };
  // As it is kept, and was kept when it was told before.
  const decision = await asKept(tx, conflict, said, deciding);
  if (conflict.state !== 'open') {
    if (isTheSame(conflict, decision, by)) return;
    throw problem('already-settled', 'This conflict was decided before.');
  }
  assertAllowed(conflict, decision);
  const { kind, key, type, branchId } = conflict;
  const { state, customer } = await effectOf(kind).apply(tx, conflict, decision, deciding);
  await tx.execute(DECIDE, [
    id,
    state,
    decision.strategy,
    decision.merged && JSON.stringify(decision.merged),
    by,
    deciding.nowMs,
  ]);
  await publishWorkLists(tx, branchId, deciding.nowMs);
  const detail = { type, kind, key, strategy: decision.strategy, state, merged: decision.merged !== null };
  const entry = { actor: by, action: 'conflict.resolve', subject: `conflict:${id}`, branchId, detail };
  await recordAudit(tx, entry, deciding);
  if (customer === undefined || (customer.changed.length === 0 && customer.op === 'edit')) return;
  const { id: changedId, op, changed } = customer;
  const change = { actor: by, action: `customer.${op}`, subject: `customer:${changedId}`, branchId: null };
  await recordAudit(tx, { ...change, detail: { changed, conflict: id } }, deciding);
}

const DECIDE = `
UPDATE conflict SET state = $2, strategy = $3, merged = $4, decided_by = $5, decided_at = to_timestamp($6::bigint / 1000.0),
  settled_at = CASE WHEN $2 = 'settled' THEN to_timestamp($6::bigint / 1000.0) END
WHERE id = $1`;

async function asKept(tx: Tx, conflict: Conflict, { strategy, merged }: Decision, by: Deciding): Promise<Decision> {
  const { sealed } = effectOf(conflict.kind);
  if (merged === null || strategy !== 'merge' || sealed === undefined) return { strategy, merged };
  return { strategy, merged: await sealed(tx, conflict, merged, by) };
}

function isTheSame({ strategy, merged, decidedBy }: Conflict, decision: Decision, by: string): boolean {
  return strategy === decision.strategy && decidedBy === by && canonicalJson(merged) === canonicalJson(decision.merged);
}

function assertAllowed(conflict: Conflict, { strategy, merged }: Decision): void {
  const { strategies, takesMerged } = effectOf(conflict.kind);
  const allowed = strategies(conflict);
  if (!allowed.includes(strategy))
    throw problem('strategy-not-allowed', `Of a ${conflict.type} about a ${conflict.kind}: ${allowed.join(', ')}.`);
  if (merged !== null && (strategy !== 'merge' || !takesMerged)) {
    const message = 'nothing is to be told here';
    throw problem('invalid-field', `merged: ${message}`, { errors: [{ path: 'merged', code: 'not-taken', message }] });
  }
}
