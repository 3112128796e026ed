import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { newSigningKey, signAccessToken, signingKeyFrom } from '@branchline/access/jwt-signing.js';
import { createHmac, createSecretKey } from 'node:crypto';
import { ACCESS_AUDIENCE, accessIssuer } from '../src/staff/access-token.js';
import { LOCK_MS } from '../src/staff/sign-in-lock.js';
import { readLines } from '../src/store/journal.js';
import { bearer, EdgeHarness, milkSale, NOON, PIN, type Answer, type TestDevice } from './edge-harness.js';

let edge: EdgeHarness;
let device: TestDevice;

beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.operator('ANNE', 'cashier');
  device = await edge.device('T1');
});
afterEach(() => edge.close());

const codeOf = ({ status, data }: Answer): [number, string] => [status, data.code];

describe('enrolling a device', () => {
  it('trades a code once for a token that is kept only as a hash', async () => {
    await edge.deviceCode('CODE-1', 'T7');
    const { status, data } = await edge.http.post('/devices/enrol', { code: 'CODE-1', name: 'Front' });
    expect([status, data.till]).toEqual([201, 'T7']);
    expect(codeOf(await edge.http.post('/devices/enrol', { code: 'CODE-1', name: 'Front' }))).toEqual([
      401,
      'code-invalid',
    ]);
    const bytes = readLines(edge.store.reads, 1, 1, 100, 1_000_000).map(({ line }) => line.toString());
    expect(bytes.join()).toContain('"kind":"device-enrol"');
    expect(bytes.join()).not.toContain(data.deviceToken);
    expect(bytes.join()).not.toContain('CODE-1');
  });

  it('lets one of many in who come with the code at once', async () => {
    await edge.deviceCode('CODE-2', 'T7');
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => edge.http.post('/devices/enrol', { code: 'CODE-2', name: 'Front' })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it('stays used when the feed brings the code again, and expires', async () => {
    await edge.deviceCode('CODE-3', 'T7');
    await edge.http.post('/devices/enrol', { code: 'CODE-3', name: 'Front' });
    await edge.deviceCode('CODE-3', 'T7');
    await edge.deviceCode('CODE-4', 'T7', NOON);
    for (const code of ['CODE-3', 'CODE-4', 'CODE-5']) {
      expect(codeOf(await edge.http.post('/devices/enrol', { code, name: 'Front' }))).toEqual([401, 'code-invalid']);
    }
  });
});

describe('sign-in by PIN', () => {
  it('gives tokens, who it is and what they may do here', async () => {
    const { status, data } = await device.pin('ANNE');
    expect(status).toBe(200);
    expect(data).toMatchObject({ operator: 'ANNE', name: 'Operator ANNE', expiresInS: 600 });
    expect(data.abilities).toContain('sale.create');
    expect(data.abilities).not.toContain('sale.import');
  });

  it('needs the token of an enrolled device; no token of another kind opens it', async () => {
    const { data } = await device.pin('ANNE');
    for (const token of [data.accessToken, data.refreshToken, `bld_${'A'.repeat(43)}`, 'nonsense']) {
      const answer = await edge.http.post('/auth/pin', { operator: 'ANNE', pin: PIN }, bearer(token));
      expect(codeOf(answer)).toEqual([401, 'unauthenticated']);
    }
  });

  it('answers alike for a wrong PIN, somebody unknown, somebody gone and somebody without a PIN', async () => {
    await edge.operator('GONE', 'cashier', { active: false });
    await edge.operator('NOPIN', 'cashier', { pinVerifier: null });
    const answers = [
      await device.pin('ANNE', '1111'),
      await device.pin('NOBODY'),
      await device.pin('GONE'),
      await device.pin('NOPIN'),
    ];
    for (const answer of answers) {
      expect([answer.status, answer.data]).toEqual([401, answers[0]?.data]);
      expect(answer.data.code).toBe('wrong-pin');
    }
  });

  it('takes grants for this branch, its region and the tenant, and none for elsewhere', async () => {
    const elsewhere = { role: 'administrator', scope: 'branch' as const, id: '0193a5b0-0000-7000-8000-000000000000' };
    await edge.operator('HERE', 'cashier', {
      grants: [elsewhere, { role: 'stock-clerk', scope: 'region', id: 'CAPE' }],
    });
    const { data } = await device.pin('HERE');
    expect(data.abilities).toEqual(['product.read', 'stock.read']);
  });
});

describe('the lock after wrong PINs', () => {
  const fail = async (times: number, operator = 'ANNE'): Promise<void> => {
    for (let n = 0; n < times; n += 1) expect(codeOf(await device.pin(operator, '1111'))).toEqual([401, 'wrong-pin']);
  };

  it('comes after five, for the right PIN too, survives a restart, and ends', async () => {
    await fail(5);
    const locked = await device.pin('ANNE');
    expect(codeOf(locked)).toEqual([429, 'locked-out']);
    expect(locked.headers['retry-after']).toBe('300');
    await edge.restart();
    expect(codeOf(await device.pin('ANNE'))).toEqual([429, 'locked-out']);
    edge.clock.advance(LOCK_MS - 1);
    expect(codeOf(await device.pin('ANNE'))).toEqual([429, 'locked-out']);
    edge.clock.advance(1);
    expect((await device.pin('ANNE')).status).toBe(200);
    await fail(4);
    expect((await device.pin('ANNE')).status).toBe(200);
  });

  it('locks neither another till nor another operator, and treats a name that does not exist alike', async () => {
    await edge.operator('BOB', 'cashier');
    await fail(5);
    expect((await (await edge.device('T2')).pin('ANNE')).status).toBe(200);
    expect((await device.pin('BOB')).status).toBe(200);
    await fail(5, 'NOBODY');
    expect(codeOf(await device.pin('NOBODY'))).toEqual([429, 'locked-out']);
  });

  it('is not outrun by attempts in parallel', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => device.pin('ANNE', '1111')));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(5);
    expect(statuses.filter((status) => status === 429)).toHaveLength(15);
  });

  it('neither opens early nor stays for ever when the clock goes back', async () => {
    await fail(5);
    edge.clock.set(NOON - 10 * 365 * 86_400_000);
    expect(codeOf(await device.pin('ANNE'))).toEqual([429, 'locked-out']);
    edge.clock.advance(LOCK_MS);
    expect((await device.pin('ANNE')).status).toBe(200);
  });
});

describe('the access token', () => {
  const shiftsWith = (token: string): Promise<Answer> => edge.http.get('/products', bearer(token));

  it('lives ten minutes', async () => {
    const { accessToken } = await device.signIn('ANNE');
    edge.clock.advance(599_999);
    expect((await shiftsWith(accessToken)).status).toBe(200);
    edge.clock.advance(1);
    expect(codeOf(await shiftsWith(accessToken))).toEqual([401, 'unauthenticated']);
  });

  it('opens nothing from the request on in which its operator is removed, and what a changed role allows', async () => {
    const till = await device.signIn('ANNE');
    expect((await till.get('/stock')).status).toBe(200);
    await edge.operator('ANNE', 'merchandiser');
    expect(codeOf(await till.get('/stock'))).toEqual([403, 'forbidden']);
    await edge.operator('ANNE', 'cashier', { active: false });
    expect(codeOf(await till.get('/stock'))).toEqual([401, 'unauthenticated']);
    expect(codeOf(await edge.http.post('/auth/refresh', { refreshToken: till.refreshToken }))).toEqual([
      401,
      'unauthenticated',
    ]);
  });

  it('is refused from another box, for another audience, under another key or algorithm', async () => {
    const key = signingKeyFrom(createSecretKey(edge.box.tokenSecret));
    const good = {
      issuer: accessIssuer(edge.box),
      audience: ACCESS_AUDIENCE,
      subject: 'ANNE',
      lifetimeS: 600,
      nowMs: edge.clock.now(),
      claims: { operator: 'ANNE', device: device.deviceId, till: 'T1' },
    };
    expect((await shiftsWith(signAccessToken(key, good))).status).toBe(200);
    const header = { alg: 'none', typ: 'JWT', kid: key.kid };
    const [, payload] = signAccessToken(key, good).split('.');
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const forged = `${part({ ...header, alg: 'HS256', kid: 'other' })}.${payload}`;
    const bad = [
      signAccessToken(key, { ...good, issuer: 'branchline-edge:another' }),
      signAccessToken(key, { ...good, audience: 'sync' }),
      signAccessToken(newSigningKey('HS256'), good),
      signAccessToken(newSigningKey('ES256'), good),
      signAccessToken(key, { ...good, nowMs: good.nowMs - 600_001 }),
      `${part(header)}.${payload}.`,
      `${forged}.${createHmac('sha256', edge.box.tokenSecret).update(forged).digest('base64url')}`,
      device.deviceToken,
    ];
    for (const token of bad) expect(codeOf(await shiftsWith(token))).toEqual([401, 'unauthenticated']);
  });

  it('is no device token: a till hands in finished sales as itself', async () => {
    const till = await device.signIn('ANNE');
    const body = { device: device.deviceId, items: [{ kind: 'sale', ...milkSale() }] };
    expect(codeOf(await till.post('/tills/T1/batch', body))).toEqual([401, 'unauthenticated']);
  });
});

describe('the refresh token', () => {
  const refresh = (refreshToken: string): Promise<Answer> => edge.http.post('/auth/refresh', { refreshToken });

  it('is exchanged for a successor; used again later it ends the family', async () => {
    const first = await device.signIn('ANNE');
    const second = await refresh(first.refreshToken);
    expect(second.status).toBe(200);
    expect((await edge.http.get('/products', bearer(second.data.accessToken))).status).toBe(200);
    const third = await refresh(second.data.refreshToken);
    expect(third.status).toBe(200);
    expect(codeOf(await refresh(first.refreshToken))).toEqual([401, 'refresh-reused']);
    expect(codeOf(await refresh(third.data.refreshToken))).toEqual([401, 'unauthenticated']);
  });

  it('forgives one lost reply, and voids the successor that never arrived', async () => {
    const { refreshToken } = await device.signIn('ANNE');
    const lost = await refresh(refreshToken);
    edge.clock.advance(20_000);
    const again = await refresh(refreshToken);
    expect(again.status).toBe(200);
    expect(codeOf(await refresh(lost.data.refreshToken))).toEqual([401, 'refresh-reused']);
    expect(codeOf(await refresh(again.data.refreshToken))).toEqual([401, 'unauthenticated']);
  });

  it('of a hundred parallel uses gives at most two and ends the family, whatever they were told', async () => {
    const { refreshToken } = await device.signIn('ANNE');
    const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(refreshToken)));
    const good = answers.filter(({ status }) => status === 200);
    expect(good.length).toBeLessThanOrEqual(2);
    expect(good.length).toBeGreaterThan(0);
    for (const { data } of good) expect((await refresh(data.refreshToken)).status).toBe(401);
  });

  it('ends with sign-out, and in time whoever renews it', async () => {
    const { refreshToken } = await device.signIn('ANNE');
    const { status } = await edge.http.post('/auth/logout', { refreshToken });
    expect(status).toBe(204);
    expect(codeOf(await refresh(refreshToken))).toEqual([401, 'unauthenticated']);
    let token = (await device.signIn('ANNE')).refreshToken;
    const statuses: number[] = [];
    for (let hour = 0; hour < 15; hour += 1) {
      edge.clock.advance(3_600_000);
      const { status: renewed, data } = await refresh(token);
      statuses.push(renewed);
      token = data.refreshToken ?? token;
    }
    expect(statuses).toEqual([...Array<number>(13).fill(200), 401, 401]);
  });

  it('stays in a cookie for a browser, and is not taken from a foreign page', async () => {
    const signedIn = await edge.http.post(
      '/auth/pin?mode=cookie',
      { operator: 'ANNE', pin: PIN },
      bearer(device.deviceToken),
    );
    expect(signedIn.data.refreshToken).toBeUndefined();
    const [setCookie] = signedIn.headers['set-cookie'] ?? [];
    expect(setCookie).toMatch(/^__Host-.*HttpOnly; SameSite=Strict/);
    const cookie = String(setCookie).split(';', 1)[0] as string;
    const foreign = await edge.http.post('/auth/refresh?mode=cookie', undefined, {
      headers: { cookie, origin: 'https://evil.example' },
    });
    expect(codeOf(foreign)).toEqual([403, 'foreign-origin']);
    const renewed = await edge.http.post('/auth/refresh?mode=cookie', undefined, { headers: { cookie } });
    expect([renewed.status, renewed.data.refreshToken]).toEqual([200, undefined]);
    expect(codeOf(await edge.http.post('/auth/refresh', {}, { headers: { cookie } }))).toEqual([
      401,
      'unauthenticated',
    ]);
  });
});
