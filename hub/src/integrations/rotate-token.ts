import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import { addToken, type IntegrationParts } from './create-integration.js';
import { expiryMsOf, type NewToken, type RotationInput } from './integration-input.js';

/** As many as a rotation needs: the one in use, and the one that takes its place. */
const ALIVE_MAX = 2;

/**
 * Another token; the one that is alive stays so until it is revoked, expires, or until the time that is named for it.
 * @throws Problem `not-found`, `two-tokens-alive`, `invalid-field`
 */
export async function rotateToken(
  tx: Tx,
  parts: IntegrationParts,
  integrationId: string,
  input: RotationInput,
): Promise<NewToken> {
  const nowMs = parts.clock.now();
  const expiresAtMs = expiryMsOf('expiresAt', input.expiresAt, nowMs);
  // Two who rotate at once go one after the other.
  const [found] = await tx.query('SELECT id FROM integration WHERE id = $1 AND ended_at IS NULL FOR NO KEY UPDATE', [
    integrationId,
  ]);
  if (!found) throw problem('not-found');
  const { alive } = await tx.one<{ alive: number }>(
    `SELECT count(*) AS alive FROM integration_token
     WHERE integration_id = $1 AND revoked_at IS NULL AND expires_at > to_timestamp($2::bigint / 1000.0)`,
    [integrationId, nowMs],
  );
  if (alive >= ALIVE_MAX) throw problem('two-tokens-alive');
  if (input.previousExpiresAt !== undefined) {
    const previousMs = expiryMsOf('previousExpiresAt', input.previousExpiresAt, nowMs);
    await tx.execute(
      `UPDATE integration_token SET expires_at = least(expires_at, to_timestamp($2::bigint / 1000.0)) WHERE integration_id = $1`,
      [integrationId, previousMs],
    );
  }
  return addToken(tx, parts, { integrationId, nowMs, expiresAtMs });
}
