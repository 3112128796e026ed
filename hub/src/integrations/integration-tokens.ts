import { isOpaqueToken } from '@branchline/access/opaque-token.js';
import { bearerToken, type Authenticator, type Integration } from '@branchline/access/principal.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import type { FailureThrottle } from '../sync/failure-throttle.js';
import { grantsOf, type IntegrationGrant } from './integration-grants.js';

/** Tokens `bls_…`, by their hash. */
export const TOKEN_PREFIX = 'bls';
const USE_NOTED_MS = 60_000;

export type IntegrationTokenParts = { database: Database; clock: Clock; throttle: FailureThrottle };

/**
 * Proves an integration by its opaque token, looked up with every request: what was revoked or has expired opens nothing
 * from then on. Guesses are slowed down by address; a token that is known and no longer good is no guess. Looked up first
 * and only then slowed down: nobody guesses 256 bits, but many share the address of a proxy, and one who guesses there
 * must not shut the others out.
 */
export function integrationAuthenticator({ database, clock, throttle }: IntegrationTokenParts): Authenticator {
  return async (request) => {
    const token = bearerToken(request);
    if (token === undefined || !isOpaqueToken(TOKEN_PREFIX, token)) throw problem('unauthenticated');
    const hash = hashToken(token);
    const [known] = await database.asOwner<{ tenant: string | null }>(
      'SELECT branchline_tenant_of_integration_token($1) AS tenant',
      [hash],
    );
    if (!known?.tenant) {
      throttle.check(request.ip);
      throttle.fail(request.ip);
      throw problem('unauthenticated');
    }
    const found = await database.transaction(known.tenant, (tx) => findIntegration(tx, hash, clock.now()));
    if (!found) throw problem('unauthenticated');
    return found;
  };
}

type Row = { id: string; name: string; grants: IntegrationGrant[]; lastUsedAt: Date | null };

async function findIntegration(tx: Tx, hash: string, nowMs: number): Promise<Integration | null> {
  const [row] = await tx.query<Row>(FIND, [hash, nowMs]);
  if (!row) return null;
  if (row.lastUsedAt === null || Math.abs(nowMs - row.lastUsedAt.getTime()) >= USE_NOTED_MS)
    await tx.execute(
      'UPDATE integration_token SET last_used_at = to_timestamp($2::bigint / 1000.0) WHERE token_hash = $1',
      [hash, nowMs],
    );
  const { id: integrationId, name, grants } = row;
  return { kind: 'integration', integrationId, tenantId: tx.tenantId, name, grants: grantsOf(grants) };
}

const FIND = `
SELECT i.id, i.name, i.grants, t.last_used_at AS "lastUsedAt"
  FROM integration_token t JOIN integration i ON i.tenant_id = t.tenant_id AND i.id = t.integration_id
 WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > to_timestamp($2::bigint / 1000.0) AND i.ended_at IS NULL`;
