import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, Post } from '@nestjs/common';
import { APP_GUARD, ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createHttpApp, listen } from '@branchline/http/app.js';
import { HealthModule } from '@branchline/http/health.js';
import { MetricsModule } from '@branchline/http/metrics.js';
import { problem } from '@branchline/http/problem.js';
import axios from 'axios';
import jsonwebtoken from 'jsonwebtoken';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { AUTHENTICATORS, AccessGuard, accessGuardProvider } from '../src/access.guard.js';
import { assertEveryRouteDeclared, routesOf } from '../src/declared-routes.js';
import { newSigningKey, signAccessToken, type AccessTokenInput, type SigningKey } from '../src/jwt-signing.js';
import { makeJwtStrategy } from '../src/jwt-strategy.js';
import { newOpaqueToken, tokenMatches } from '../src/opaque-token.js';
import { bearerToken, type Authenticators, type Person, type PrincipalOf } from '../src/principal.js';
import type { Grant } from '../src/roles.js';
import { Allow, AllowAny, CurrentPrincipal } from '../src/route-access.js';

const NOW_MS = Date.UTC(2026, 10, 20, 14);
const clock = { nowMs: NOW_MS, now: () => clock.nowMs };
const personKey = newSigningKey('ES256');
const operatorKey = newSigningKey('HS256');
const boxKey = newSigningKey('ES256');
const device = newOpaqueToken('bld', randomBytes);
const revokedBoxes = new Set<string>();
let grantsOfJane: Grant[] | undefined;

const keyFrom = (key: SigningKey) => (kid: string) => (kid === key.kid ? key.verifyingKey : undefined);

const authenticators: Authenticators = {
  person: makeJwtStrategy({
    name: 'person',
    issuer: 'hub',
    audience: 'people',
    algorithms: ['ES256'],
    keyOf: keyFrom(personKey),
    clock,
    toPrincipal: ({ sub = '' }) =>
      grantsOfJane && { kind: 'person', personId: sub, tenantId: 't', email: '', sessionId: 's', grants: grantsOfJane },
  }),
  operator: makeJwtStrategy({
    name: 'operator',
    issuer: 'edge',
    audience: 'tills',
    algorithms: ['HS256'],
    keyOf: keyFrom(operatorKey),
    clock,
    toPrincipal: ({ sub = '' }) => ({
      kind: 'operator',
      operator: sub,
      deviceId: 'd',
      till: 'T1',
      grants: [{ role: 'cashier', scope: 'branch', id: 'B001' }],
    }),
  }),
  box: makeJwtStrategy({
    name: 'box',
    issuer: 'hub',
    audience: 'sync',
    algorithms: ['ES256'],
    keyOf: keyFrom(boxKey),
    clock,
    toPrincipal: ({ sub = '' }) => {
      if (revokedBoxes.has(sub)) throw problem('box-revoked');
      return { kind: 'box', tenantId: 't', branchId: 'b', branchCode: 'B001', boxId: sub };
    },
  }),
  device: (request) => {
    const token = bearerToken(request);
    if (token === undefined || !tokenMatches(token, device.hash)) return Promise.reject(problem('unauthenticated'));
    return Promise.resolve({ kind: 'device', deviceId: 'd', till: 'T1' });
  },
};

@Controller('v1')
class DoorsController {
  @Get('open')
  @AllowAny('a test asks it')
  open(): unknown {
    return { open: true };
  }

  @Get('people')
  @Allow({ by: 'person' })
  people(@CurrentPrincipal('person') who: PrincipalOf<'person'>): unknown {
    return { who: who.personId };
  }

  @Get('reports')
  @Allow({ by: 'person', ability: 'report.read' })
  reports(@CurrentPrincipal() who: Person): unknown {
    return { who: who.personId };
  }

  @Post('sales')
  @Allow({ by: ['operator', 'device'], ability: 'sale.create' })
  sales(@CurrentPrincipal('operator', 'device') who: PrincipalOf<'operator' | 'device'>): unknown {
    return { kind: who.kind };
  }

  @Get('sync')
  @Allow({ by: 'box' })
  sync(@CurrentPrincipal('box') who: PrincipalOf<'box'>): unknown {
    return { who: who.boxId };
  }

  @Get('mistaken')
  @Allow({ by: 'box' })
  mistaken(@CurrentPrincipal('person') who: Person): unknown {
    return who;
  }
}

@Controller('forgotten')
class ForgottenController {
  @Get('one')
  one(): unknown {
    return { secret: true };
  }

  @Get('two')
  @AllowAny('a test asks it')
  two(): unknown {
    return {};
  }
}

const providers = [accessGuardProvider, { provide: AUTHENTICATORS, useValue: authenticators }];
const imports = [MetricsModule.forRoot(), HealthModule.forRoot({ useFactory: () => () => ({ ready: true }) })];

@Module({ imports, controllers: [DoorsController], providers })
class DoorsModule {}

@Module({ imports, controllers: [DoorsController, ForgottenController], providers })
class ForgottenModule {}

class UncheckedGuard extends AccessGuard {
  override onApplicationBootstrap(): void {}
}
const uncheckedGuard = { provide: APP_GUARD, useFactory: makeUnchecked, inject: [ModulesContainer] };

function makeUnchecked(modules: ModulesContainer): AccessGuard {
  return new UncheckedGuard(authenticators, modules);
}

@Module({ controllers: [ForgottenController], providers: [uncheckedGuard] })
class LateModule {}

const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
const options = { name: 'doors', version: '1', bodyBytesMax: 1_000, logger: quiet };
const client = axios.create({ validateStatus: () => true, timeout: 5_000 });
let app: NestFastifyApplication;
let origin = '';

beforeAll(async () => {
  app = await createHttpApp(DoorsModule, options);
  origin = `http://127.0.0.1:${await listen(app, { host: '127.0.0.1', port: 0 })}`;
});
afterAll(() => app.close());
beforeEach(() => {
  clock.nowMs = NOW_MS;
  grantsOfJane = [{ role: 'analyst', scope: 'tenant' }];
  revokedBoxes.clear();
});

const person: AccessTokenInput = { issuer: 'hub', audience: 'people', subject: 'jane', lifetimeS: 600, nowMs: NOW_MS };
const goodToken = signAccessToken(personKey, person);
const operatorToken = signAccessToken(operatorKey, { ...person, issuer: 'edge', audience: 'tills', subject: '7' });
const boxToken = signAccessToken(boxKey, { ...person, audience: 'sync', subject: 'box-1' });

async function ask(path: string, token?: string, method: 'get' | 'post' = 'get') {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const { status, data } = await client.request<Record<string, unknown>>({ url: `${origin}${path}`, method, headers });
  return { status, code: data['code'], data };
}

/** Signs whatever it is told, as a forger or a careless signer would. */
function forge(claims: Record<string, unknown>, key: jsonwebtoken.Secret, header: Record<string, unknown>): string {
  const nowS = NOW_MS / 1000;
  const all = { iss: 'hub', aud: 'people', sub: 'jane', typ: 'access', iat: nowS, exp: nowS + 600, ...claims };
  const payload = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const whole = { alg: 'ES256', kid: personKey.kid, ...header };
  return jsonwebtoken.sign(payload, key, {
    header: whole,
    algorithm: whole.alg as jsonwebtoken.Algorithm,
    allowInvalidAsymmetricKeyTypes: true,
  });
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const [, goodPayload = '', goodSignature = ''] = goodToken.split('.');
const publicPem = personKey.verifyingKey.export({ type: 'spki', format: 'pem' }) as string;
const nowS = NOW_MS / 1000;

describe('an access token', () => {
  it('that is good opens its door', async () => {
    expect(await ask('/v1/people', goodToken)).toMatchObject({ status: 200, data: { who: 'jane' } });
    // What the forger signs is refused for what is forged, not for how it was made.
    expect(await ask('/v1/people', forge({}, personKey.signingKey, {}))).toMatchObject({ status: 200 });
  });

  it.each<[string, () => string]>([
    ['of algorithm none', () => `${part({ alg: 'none', typ: 'JWT', kid: personKey.kid })}.${goodPayload}.`],
    ['of algorithm none that keeps its signature', () => `${part({ alg: 'none' })}.${goodPayload}.${goodSignature}`],
    ['signed HS256 with the public key as the secret', () => hmacToken(publicPem)],
    ['signed RS256 by another key under our key id', () => forge({}, rsaKey(), { alg: 'RS256' })],
    ['of an unknown key id', () => forge({}, personKey.signingKey, { kid: 'unknown' })],
    ['without a key id', () => forge({}, personKey.signingKey, { kid: undefined })],
    ['signed by another key under our key id', () => forge({}, boxKey.signingKey, {})],
    ['of a foreign issuer', () => forge({ iss: 'elsewhere' }, personKey.signingKey, {})],
    ['without an issuer', () => forge({ iss: undefined }, personKey.signingKey, {})],
    ['for a foreign audience', () => forge({ aud: 'sync' }, personKey.signingKey, {})],
    ['without an audience', () => forge({ aud: undefined }, personKey.signingKey, {})],
    ['that has expired', () => forge({ iat: nowS - 601, exp: nowS - 1 }, personKey.signingKey, {})],
    ['that expires this second', () => forge({ iat: nowS - 600, exp: nowS }, personKey.signingKey, {})],
    ['without an expiry', () => forge({ exp: undefined }, personKey.signingKey, {})],
    ['that lives longer than ten minutes', () => forge({ exp: nowS + 601 }, personKey.signingKey, {})],
    ['from the future', () => forge({ iat: nowS + 61, exp: nowS + 600 }, personKey.signingKey, {})],
    ['that is a refresh token', () => forge({ typ: 'refresh' }, personKey.signingKey, {})],
    ['without a type', () => forge({ typ: undefined }, personKey.signingKey, {})],
    ['whose payload was changed', () => goodToken.replace(goodPayload, part({ ...claimsOf(goodToken), sub: 'eve' }))],
    ['that is no token', () => 'abc'],
    ['of an endless length, well signed', () => forge({ padding: 'A'.repeat(5_000) }, personKey.signingKey, {})],
    ['that is empty', () => ''],
  ])('%s is refused', async (_what, token) => {
    expect(await ask('/v1/people', token())).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('of another algorithm is refused even under the right secret', async () => {
    const claims = { iss: 'edge', aud: 'tills', sub: '7' };
    const withAlgorithm = (alg: string) => forge(claims, operatorKey.signingKey, { alg, kid: operatorKey.kid });
    expect((await ask('/v1/sales', withAlgorithm('HS256'), 'post')).status).toBe(201);
    expect((await ask('/v1/sales', withAlgorithm('HS512'), 'post')).status).toBe(401);
  });

  it('of another kind opens no door', async () => {
    const tokens = { person: goodToken, operator: operatorToken, box: boxToken, device: device.token };
    const doors = { person: '/v1/people', operator: '/v1/sales', device: '/v1/sales', box: '/v1/sync' };
    for (const [kind, token] of Object.entries(tokens)) {
      for (const [opensFor, path] of Object.entries(doors)) {
        const { status } = await ask(path, token, path === '/v1/sales' ? 'post' : 'get');
        const mayEnter = kind === opensFor || (path === '/v1/sales' && ['operator', 'device'].includes(kind));
        expect([kind, path, status]).toEqual([kind, path, mayEnter ? (path === '/v1/sales' ? 201 : 200) : 401]);
      }
    }
  });

  it('is never signed for longer than ten minutes, nor with claims of the caller over ours', () => {
    expect(() => signAccessToken(personKey, { ...person, lifetimeS: 601 })).toThrow(/600 s/);
    expect(() => signAccessToken(personKey, { ...person, claims: { aud: 'sync' } })).toThrow(/aud/);
  });
});

describe('a door', () => {
  it('without a token, or with another scheme, asks for one', async () => {
    const answer = await client.get(`${origin}/v1/people`);
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    const basic = await client.get(`${origin}/v1/people`, { headers: { authorization: `Basic ${goodToken}` } });
    expect(basic.status).toBe(401);
  });

  it('that is open does not look at tokens', async () => {
    expect((await ask('/v1/open')).status).toBe(200);
    expect((await ask('/v1/open', 'abc')).status).toBe(200);
    expect((await ask('/health/live')).status).toBe(200);
    expect((await ask('/metrics')).status).toBe(200);
  });

  it('asks for its ability', async () => {
    expect((await ask('/v1/reports', goodToken)).status).toBe(200);
    grantsOfJane = [{ role: 'stock-clerk', scope: 'branch', id: 'B001' }];
    expect(await ask('/v1/reports', goodToken)).toMatchObject({ status: 403, code: 'forbidden' });
  });

  it('notices at the next request that a role or a person is gone', async () => {
    expect((await ask('/v1/reports', goodToken)).status).toBe(200);
    grantsOfJane = [];
    expect((await ask('/v1/reports', goodToken)).status).toBe(403);
    grantsOfJane = undefined;
    expect((await ask('/v1/reports', goodToken)).status).toBe(401);
  });

  it('passes on what its authenticator says more exactly', async () => {
    revokedBoxes.add('box-1');
    expect(await ask('/v1/sync', boxToken)).toMatchObject({ status: 403, code: 'box-revoked' });
  });

  it('takes no handler that expects somebody else', async () => {
    expect(await ask('/v1/mistaken', boxToken)).toMatchObject({ status: 500, code: 'internal' });
  });

  it.each([
    '/v1//people',
    '/V1/people',
    '/v1/%70eople',
    '/v1/people/',
    '//v1/people',
    '/v1/./people',
    '/v1/people?x=1',
  ])('is not passed by the spelling %s', async (path) => {
    const { status, data } = await ask(path);
    expect([401, 404]).toContain(status);
    expect(data).not.toHaveProperty('who');
  });
});

describe('a route that says nothing of who may enter', () => {
  it('keeps the program from starting, by name', async () => {
    const forgotten = await createHttpApp(ForgottenModule, options);
    expect(() => assertEveryRouteDeclared(forgotten)).toThrow(/ForgottenController\.one/);
    await expect(listen(forgotten, { host: '127.0.0.1', port: 0 })).rejects.toThrow(/ForgottenController\.one/);
    expect(forgotten.getHttpServer().listening).toBe(false);
  });

  it('lets nobody in, should the check at boot be gone', async () => {
    const late = await createHttpApp(LateModule, options);
    const port = await listen(late, { host: '127.0.0.1', port: 0 });
    const { status, data } = await client.get(`http://127.0.0.1:${port}/forgotten/one`);
    expect([status, data.code]).toEqual([500, 'internal']);
    await late.close();
  });

  it('is found in no module of this application', () => {
    expect(() => assertEveryRouteDeclared(app)).not.toThrow();
    const names = routesOf(app.get(ModulesContainer)).map(({ handler }) => handler);
    expect(names).toEqual(
      expect.arrayContaining(['open', 'people', 'reports', 'sales', 'sync', 'live', 'ready', 'read']),
    );
  });
});

function hmacToken(secret: string): string {
  return forge({}, secret, { alg: 'HS256' });
}

function rsaKey() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function claimsOf(token: string): Record<string, unknown> {
  return jsonwebtoken.decode(token, { json: true }) ?? {};
}
