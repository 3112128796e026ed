import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';

/** The very next request with it is refused. Again does nothing. @throws Problem `not-found` */
export async function revokeToken(tx: Tx, integrationId: string, tokenId: string, nowMs: number): Promise<void> {
  const revoked = await tx.execute(
    `UPDATE integration_token SET revoked_at = coalesce(revoked_at, to_timestamp($3::bigint / 1000.0)) WHERE integration_id = $1 AND id = $2`,
    [integrationId, tokenId, nowMs],
  );
  if (revoked === 0) throw problem('not-found');
}

/** And all its tokens with it. Its row stays: what it has done names it. @throws Problem `not-found` */
export async function endIntegration(tx: Tx, id: string, nowMs: number): Promise<void> {
  const ended = await tx.execute(
    'UPDATE integration SET ended_at = to_timestamp($2::bigint / 1000.0) WHERE id = $1 AND ended_at IS NULL',
    [id, nowMs],
  );
  if (ended === 0) throw problem('not-found');
}
