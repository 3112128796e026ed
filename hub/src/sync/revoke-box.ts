import { problem } from '@branchline/http/problem.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import { notifyOfRevocation } from '../feed/feed-notice.js';

export type Revocation = { actor: string; branchId: string; boxId: string };
export type RevokedBox = { box: string; revokedAt: string };

/**
 * The box's next request is refused, whatever token it holds, and its stream of nudges ends. What it sold until then and
 * has not pushed stays in its file; nothing that was taken in goes. Said again it changes nothing.
 *
 * @throws Problem `not-found`: the branch has no such box
 */
export async function revokeBox(
  tx: Tx,
  { actor, branchId, boxId }: Revocation,
  at: { nowMs: number; newId: NewId },
): Promise<RevokedBox> {
  const [box] = await tx.query<{ revokedAt: Date | null }>(
    'SELECT revoked_at AS "revokedAt" FROM box WHERE id = $1 AND branch_id = $2 FOR UPDATE',
    [boxId, branchId],
  );
  if (!box) throw problem('not-found', `There is no box ${boxId} in this branch.`);
  if (box.revokedAt !== null) return { box: boxId, revokedAt: box.revokedAt.toISOString() };
  const revokedAt = new Date(at.nowMs);
  await tx.execute('UPDATE box SET revoked_at = $2 WHERE id = $1', [boxId, revokedAt]);
  await notifyOfRevocation(tx, boxId);
  await recordAudit(tx, { actor, action: 'box.revoke', subject: `box:${boxId}`, branchId, detail: {} }, at);
  return { box: boxId, revokedAt: revokedAt.toISOString() };
}
