import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { apiAt, startHubHarness, type HubHarness } from './hub-harness.js';

const START_MS = Date.parse('2026-11-20T08:00:00Z');
const clock = new ManualClock(START_MS);
let harness: HubHarness;

beforeAll(async () => {
  harness = await startHubHarness(clock);
});
afterAll(() => harness.close());
/** Each test at a time of its own, with the throttle's buckets full again. */
beforeEach(() => clock.advance(3_600_000));

const login = (email: string, password: string) => harness.anonymous.post('/v1/auth/login', { email, password });
const refresh = (refreshToken: string) => harness.anonymous.post('/v1/auth/refresh', { refreshToken });
const signIn = () => harness.signIn(harness.admin.email, harness.admin.password);

describe('sign-in', () => {
  it('answers alike for an unknown e-mail and a wrong password', async () => {
    const [unknown, wrong] = [await login('nobody@acme.example', 'x'), await login(harness.admin.email, 'x')];
    expect([unknown.status, unknown.data]).toEqual([401, wrong.data]);
    expect(wrong.data.code).toBe('wrong-credentials');
  });

  it('does not care how the e-mail is capitalised', async () => {
    const answer = await login(harness.admin.email.toUpperCase(), harness.admin.password);
    expect(answer.data).toMatchObject({
      expiresInS: 600,
      person: { email: harness.admin.email, grants: [{ role: 'administrator', scope: 'tenant' }] },
    });
  });

  it('is throttled per e-mail before anything is hashed, and opens again', async () => {
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt += 1)
      statuses.push((await login('victim@acme.example', 'guess')).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const refused = await login('victim@acme.example', 'guess');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await login(harness.admin.email, harness.admin.password)).status).toBe(200);
    clock.advance(Number(refused.headers['retry-after']) * 1_000);
    expect((await login('victim@acme.example', 'guess')).status).toBe(401);
  });

  it('gives a token that dies after ten minutes', async () => {
    const { api } = await signIn();
    expect((await api.get('/v1/people')).status).toBe(200);
    clock.advance(600_000);
    expect((await api.get('/v1/people')).status).toBe(401);
  });

  it('is over at once for a person who is let go, and changed at once for one whose role is', async () => {
    const email = 'short@acme.example';
    const admin = await signIn();
    const { data } = await admin.api.post('/v1/people', {
      email,
      name: 'Short',
      grants: [{ role: 'administrator', scope: 'tenant' }],
    });
    const first = await harness.signIn(email, data.password);
    expect((await first.api.get('/v1/people')).status).toBe(200);
    await admin.api.patch(`/v1/people/${data.id}`, { grants: [{ role: 'analyst', scope: 'tenant' }] });
    expect((await first.api.get('/v1/people')).status).toBe(401);
    const second = await refresh(first.refreshToken);
    expect((await apiAt(harness.url, second.data.accessToken).get('/v1/people')).status).toBe(403);
    await admin.api.patch(`/v1/people/${data.id}`, { active: false });
    expect((await apiAt(harness.url, second.data.accessToken).get('/v1/branches')).status).toBe(401);
    expect((await refresh(second.data.refreshToken)).status).toBe(401);
    expect((await login(email, data.password)).data.code).toBe('wrong-credentials');
  });

  it('refuses a refresh token in place of an access token, and the other way round', async () => {
    const { accessToken, refreshToken } = await signIn();
    expect((await apiAt(harness.url, refreshToken).get('/v1/people')).status).toBe(401);
    expect((await refresh(accessToken)).status).toBe(401);
  });

  it('ends with sign-out, access token and all', async () => {
    const { api, refreshToken } = await signIn();
    expect((await harness.anonymous.post('/v1/auth/logout', { refreshToken })).status).toBe(204);
    expect((await api.get('/v1/people')).status).toBe(401);
    expect((await refresh(refreshToken)).status).toBe(401);
    expect((await harness.anonymous.post('/v1/auth/logout', { refreshToken: 'never seen' })).status).toBe(204);
  });
});

describe('a refresh token', () => {
  it('is exchanged for another, again and again', async () => {
    let { refreshToken } = await signIn();
    for (let turn = 0; turn < 3; turn += 1) {
      const answer = await refresh(refreshToken);
      expect(answer.status).toBe(200);
      expect((await apiAt(harness.url, answer.data.accessToken).get('/v1/people')).status).toBe(200);
      refreshToken = answer.data.refreshToken;
    }
  });

  it('ends the sign-in when an old one comes back', async () => {
    const { refreshToken, api } = await signIn();
    const second = await refresh(refreshToken);
    const third = await refresh(second.data.refreshToken);
    expect((await refresh(refreshToken)).data.code).toBe('refresh-reused');
    expect((await refresh(third.data.refreshToken)).status).toBe(401);
    expect((await api.get('/v1/people')).status).toBe(401);
  });

  it('forgives a lost reply once, within 30 seconds, and voids what was lost', async () => {
    const { refreshToken } = await signIn();
    const lost = await refresh(refreshToken);
    clock.advance(20_000);
    const again = await refresh(refreshToken);
    expect(again.status).toBe(200);
    expect((await refresh(lost.data.refreshToken)).data.code).toBe('refresh-reused');
    expect((await refresh(again.data.refreshToken)).status).toBe(401);
  });

  it('is not forgiven after 30 seconds', async () => {
    const { refreshToken } = await signIn();
    await refresh(refreshToken);
    clock.advance(31_000);
    expect((await refresh(refreshToken)).data.code).toBe('refresh-reused');
  });

  it('used a hundred times at once gives at most two answers and ends the family', async () => {
    const { refreshToken, api } = await signIn();
    const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(refreshToken)));
    const given = answers.filter((answer) => answer.status === 200);
    expect(given.length).toBeGreaterThan(0);
    expect(given.length).toBeLessThanOrEqual(2);
    expect(answers.every((answer) => answer.status === 200 || answer.status === 401)).toBe(true);
    expect((await api.get('/v1/people')).status).toBe(401);
    for (const { data } of given) {
      expect((await refresh(data.refreshToken)).status).toBe(401);
      expect((await apiAt(harness.url, data.accessToken).get('/v1/people')).status).toBe(401);
    }
  });

  it('is kept as a hash only', async () => {
    const { refreshToken } = await signIn();
    const rows = await harness.database.transaction(harness.admin.tenantId, (tx) =>
      tx.query('SELECT * FROM refresh_token'),
    );
    expect(JSON.stringify(rows)).not.toContain(refreshToken.slice(4));
  });
});
