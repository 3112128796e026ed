import { signAccessToken, signingKeyFrom, type SigningKey } from '@branchline/access/jwt-signing.js';
import { makeJwtStrategy } from '@branchline/access/jwt-strategy.js';
import type { Authenticator, Person } from '@branchline/access/principal.js';
import type { Grant } from '@branchline/access/roles.js';
import type { Clock } from '@branchline/domain/clock.js';
import { isUuid } from '@branchline/domain/uuid.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';

const ISSUER = 'branchline-hub';
const AUDIENCE = 'hub-api';
export const ACCESS_TOKEN_S = 600;

export type TokenHolder = { id: string; tenantId: string; tokenVersion: number; familyId: string };

/** Access tokens of people. Short, and looked up all the same: what was taken away is gone with the next request. */
export class PersonTokens {
  private readonly key: SigningKey;

  constructor(
    secrets: HubSecrets,
    private readonly clock: Clock,
  ) {
    this.key = signingKeyFrom(secrets.peopleKey);
  }

  sign({ id, tenantId, tokenVersion, familyId }: TokenHolder): string {
    return signAccessToken(this.key, {
      issuer: ISSUER,
      audience: AUDIENCE,
      subject: id,
      lifetimeS: ACCESS_TOKEN_S,
      nowMs: this.clock.now(),
      claims: { tenant: tenantId, version: tokenVersion, session: familyId },
    });
  }

  authenticator(database: Database): Authenticator {
    return makeJwtStrategy({
      name: 'person',
      issuer: ISSUER,
      audience: AUDIENCE,
      algorithms: ['ES256'],
      keyOf: (kid) => (kid === this.key.kid ? this.key.verifyingKey : undefined),
      toPrincipal: async ({ sub, tenant, version, session }) => {
        if (!isId(sub) || !isId(tenant) || !isId(session)) return undefined;
        return database.transaction(tenant, (tx) => findPerson(tx, sub, Number(version), session));
      },
      clock: this.clock,
    });
  }
}

function isId(claim: unknown): claim is string {
  return typeof claim === 'string' && isUuid(claim);
}

async function findPerson(tx: Tx, id: string, tokenVersion: number, familyId: string): Promise<Person | undefined> {
  const [row] = await tx.query<{ email: string; grants: Grant[] }>(FIND, [id, tokenVersion, familyId]);
  if (!row) return undefined;
  return {
    kind: 'person',
    personId: id,
    tenantId: tx.tenantId,
    email: row.email,
    sessionId: familyId,
    grants: row.grants,
  };
}

const FIND = `
SELECT p.email, p.grants
  FROM person p JOIN refresh_family f ON f.tenant_id = p.tenant_id AND f.person_id = p.id
 WHERE p.id = $1 AND p.active AND p.token_version = $2 AND f.id = $3 AND f.ended_at IS NULL`;
