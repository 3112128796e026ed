import { problem } from '@branchline/http/problem.js';
import { text, code } from '@branchline/http/fields.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import { branchOfQuarantined } from '../sync/retry-quarantined.js';
import { holdBranch } from '../sync/streams.js';
import type { At } from './conflict-effect.js';
import { publishWorkLists } from './publish-work-lists.js';

export const settleInput = z.strictObject({ note: text(1_000) });
export const retryInput = z.strictObject({ branch: code, code: text(40).optional() });

/** Nothing is known to be wrong with these, or they are settled by deciding their conflict. */
const NOT_TO_SETTLE = ['not-tried', 'waits-for-parent', 'data-mismatch'];

/**
 * Somebody has looked at it, and it never will be a fact: it waits no more, and no day waits for it. The line stays in the
 * archive, and here with who said so and why. What a later version may know, what was not tried and what waits for
 * another line cannot be settled: that would throw a good fact away.
 *
 * @throws Problem `already-settled`, `not-decidable`
 */
export async function settleQuarantined(
  tx: Tx,
  { id, note, by }: { id: string; note: string; by: string },
  at: At,
): Promise<void> {
  const branchId = await branchOfQuarantined(tx, id);
  await holdBranch(tx, branchId);
  const item = await tx.one<{ state: string; code: string; note: string | null }>(
    'SELECT state, code, note FROM quarantine WHERE id = $1 FOR UPDATE',
    [id],
  );
  if (item.state === 'settled' && item.note === note) return;
  if (item.state === 'settled' || item.state === 'mended') throw problem('already-settled');
  if (item.state === 'held' || NOT_TO_SETTLE.includes(item.code))
    throw problem('not-decidable', `A line that is ${item.state} as ${item.code} may yet be counted.`);
  await tx.execute(`UPDATE quarantine SET state = 'settled', note = $2 WHERE id = $1`, [id, note]);
  await publishWorkLists(tx, branchId, at.nowMs);
  const detail = { code: item.code, note };
  await recordAudit(tx, { actor: by, action: 'quarantine.settle', subject: `quarantine:${id}`, branchId, detail }, at);
}

/** In one request; who has more asks again. */
const RETRIED_MAX = 200;

/** What waits in a branch, in the order of its histories. */
export async function idsToRetry(tx: Tx, branchId: string, code: string | undefined): Promise<string[]> {
  const rows = await tx.query<{ id: string }>(
    `SELECT id FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held') AND ($2::text IS NULL OR code = $2)
     ORDER BY tried_at, incarnation, seq LIMIT ${RETRIED_MAX}`,
    [branchId, code ?? null],
  );
  return rows.map(({ id }) => id);
}
