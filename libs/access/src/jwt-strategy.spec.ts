import { createSecretKey, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import type { FastifyRequest } from 'fastify';
import { signAccessToken, signingKeyFrom, type SigningKey } from './jwt-signing.js';
import { makeJwtStrategy } from './jwt-strategy.js';
import type { Authenticator, Principal } from './principal.js';

const START_MS = Date.parse('2026-11-20T09:00:00Z');
const newKey = (): SigningKey => signingKeyFrom(createSecretKey(randomBytes(32)));

describe('a token that was proved before', () => {
  let clock: ManualClock;
  let key: SigningKey;
  let working: Set<string>;
  let prove: Authenticator;

  beforeEach(() => {
    clock = new ManualClock(START_MS);
    key = newKey();
    working = new Set(['mia', 'tom', 'ruth']);
    prove = makeJwtStrategy({
      name: 'operator',
      issuer: 'edge',
      audience: 'edge-api',
      algorithms: ['HS256'],
      keyOf: (kid) => (kid === key.kid ? key.verifyingKey : undefined),
      toPrincipal: ({ sub }) =>
        sub !== undefined && working.has(sub)
          ? { kind: 'operator', operator: sub, deviceId: 'd', till: 'T1', grants: [] }
          : undefined,
      clock,
      tokensRemembered: 2,
    });
  });

  const tokenOf = (subject: string): string =>
    signAccessToken(key, {
      issuer: 'edge',
      audience: 'edge-api',
      subject,
      lifetimeS: 600,
      nowMs: clock.now(),
      claims: {},
    });
  const ask = (token: string): Promise<Principal> =>
    prove({ headers: { authorization: `Bearer ${token}` } } as FastifyRequest);

  it('says who asks, each time anew', async () => {
    const [mia, tom] = [tokenOf('mia'), tokenOf('tom')];
    for (let time = 0; time < 3; time += 1) {
      expect(await ask(mia)).toMatchObject({ operator: 'mia' });
      expect(await ask(tom)).toMatchObject({ operator: 'tom' });
    }
  });

  it('opens nothing from the request on with which its bearer is out', async () => {
    const token = tokenOf('mia');
    await ask(token);
    working.delete('mia');
    await expect(ask(token)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('opens nothing after its time', async () => {
    const token = tokenOf('mia');
    await ask(token);
    clock.advance(600_000);
    await expect(ask(token)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('opens nothing once its key is not known any more', async () => {
    const token = tokenOf('mia');
    await ask(token);
    key = newKey();
    await expect(ask(token)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('lends nothing to one that differs in a letter, nor to more than are remembered', async () => {
    const token = tokenOf('mia');
    await ask(token);
    const altered = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
    await expect(ask(altered)).rejects.toMatchObject({ code: 'unauthenticated' });
    for (const subject of ['tom', 'ruth']) expect(await ask(tokenOf(subject))).toMatchObject({ operator: subject });
    expect(await ask(token)).toMatchObject({ operator: 'mia' });
  });
});
