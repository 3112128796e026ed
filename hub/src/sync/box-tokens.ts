import { signAccessToken, signingKeyFrom, type SigningKey } from '@branchline/access/jwt-signing.js';
import { isLiveAccessToken, makeJwtStrategy } from '@branchline/access/jwt-strategy.js';
import { bearerToken, type Authenticator, type Box } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import { isUuid } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { FastifyRequest } from 'fastify';
import jsonwebtoken from 'jsonwebtoken';
import type { Database, PreparedStatement, Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';

const ISSUER = 'branchline-hub';
/** Opens only /sync: tokens of people have another audience and another key. */
const AUDIENCE = 'sync';
export const BOX_TOKEN_S = 600;

/** Service tokens of boxes: ten minutes, bound to tenant, branch and box, and revocation is looked up on every request. */
export class BoxTokens {
  private readonly key: SigningKey;

  constructor(
    secrets: HubSecrets,
    private readonly clock: Clock,
  ) {
    this.key = signingKeyFrom(secrets.boxesKey);
  }

  sign(box: { tenantId: string; branchId: string; boxId: string }): string {
    return signAccessToken(this.key, {
      issuer: ISSUER,
      audience: AUDIENCE,
      subject: box.boxId,
      lifetimeS: BOX_TOKEN_S,
      nowMs: this.clock.now(),
      claims: { tenant: box.tenantId, branch: box.branchId },
    });
  }

  authenticator(database: Database): Authenticator {
    return makeJwtStrategy({
      name: 'box',
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      keyOf: (kid) => (kid === this.key.kid ? this.key.verifyingKey : undefined),
      toPrincipal: async ({ sub, tenant, branch }) => {
        if (!isId(sub) || !isId(tenant) || !isId(branch)) return undefined;
        return database.transaction(tenant, (tx) => findBox(tx, sub, branch));
      },
      clock: this.clock,
    });
  }

  /**
   * The box that a request's token was signed for, by signature alone: decides who may send a body at all, before
   * anything is read or asked of the database. The guard looks again, with revocation.
   */
  signedBox(request: Pick<FastifyRequest, 'headers'>): string | null {
    const token = bearerToken(request);
    if (token === undefined || token.length > 4_096) return null;
    try {
      const claims = jsonwebtoken.verify(token, this.key.verifyingKey, {
        algorithms: ['ES256'],
        issuer: ISSUER,
        audience: AUDIENCE,
        ignoreExpiration: true,
      });
      if (typeof claims === 'string' || !isLiveAccessToken(claims, this.clock.now())) return null;
      return claims.sub ?? null;
    } catch {
      return null;
    }
  }
}

function isId(claim: unknown): claim is string {
  return typeof claim === 'string' && isUuid(claim);
}

async function findBox(tx: Tx, boxId: string, branchId: string): Promise<Box | undefined> {
  const [row] = await tx.prepared<{ code: string; revoked: boolean }>(FIND, [boxId, branchId]);
  if (!row) return undefined;
  if (row.revoked) throw problem('box-revoked');
  return { kind: 'box', tenantId: tx.tenantId, branchId, branchCode: row.code, boxId };
}

/** Asked with every request of every box. */
const FIND: PreparedStatement = {
  name: 'box-of-token',
  text: `
SELECT branch.code, box.revoked_at IS NOT NULL AS revoked
  FROM box JOIN branch ON branch.tenant_id = box.tenant_id AND branch.id = box.branch_id
 WHERE box.id = $1 AND box.branch_id = $2`,
};
