import { makeJwtStrategy } from '@branchline/access/jwt-strategy.js';
import { isOpaqueToken } from '@branchline/access/opaque-token.js';
import { bearerToken, type Authenticator, type Authenticators, type Operator } from '@branchline/access/principal.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import type { Store } from '../store/store.js';
import { ACCESS_AUDIENCE, accessIssuer, accessKey } from './access-token.js';
import { activeOperator } from './operators.js';

/** How the edge proves who is asking: operators by the passport-jwt strategy, tills by their device token. */
export function edgeAuthenticators(store: Store, clock: Clock): Authenticators {
  return { operator: operatorStrategy(store, clock), device: deviceAuthenticator(store) };
}

/** Of all the operators of a store, for the ten minutes that a token lives. */
const TOKENS_REMEMBERED = 500;

/** Grants come from the operator's row, read now: whoever was removed is out with the next request. */
function operatorStrategy(store: Store, clock: Clock): Authenticator {
  const { box, reads } = store;
  const key = accessKey(box);
  return makeJwtStrategy({
    name: 'operator',
    issuer: accessIssuer(box),
    audience: ACCESS_AUDIENCE,
    algorithms: ['HS256'],
    keyOf: (kid) => (kid === key.kid ? key.verifyingKey : undefined),
    toPrincipal: (claims): Operator | undefined => {
      const { operator, device, till } = claims;
      if (typeof operator !== 'string' || typeof device !== 'string' || typeof till !== 'string') return undefined;
      const known = activeOperator(reads, operator, box);
      return known && { kind: 'operator', operator, deviceId: device, till, grants: known.grants };
    },
    clock,
    tokensRemembered: TOKENS_REMEMBERED,
  });
}

/** Opaque, stored as SHA-256: looked up by its hash, so there is nothing to compare in time. */
export function deviceAuthenticator({ reads }: Pick<Store, 'reads'>): Authenticator {
  return async (request) => {
    const token = bearerToken(request);
    const device =
      token !== undefined && isOpaqueToken('bld', token)
        ? reads.get<{ id: string; till: string }>('SELECT id, till FROM device WHERE token_hash = ?', hashToken(token))
        : undefined;
    if (device === undefined) throw problem('unauthenticated');
    return { kind: 'device', deviceId: device.id, till: device.till };
  };
}
