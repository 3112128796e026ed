import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import type { AxiosInstance, AxiosResponse } from 'axios';
import { apiAt, startHubHarness, type HubHarness } from './hub-harness.js';

const HOUR_MS = 3_600_000;
const clock = new ManualClock(Date.parse('2026-11-20T08:00:00Z'));
let harness: HubHarness;
let signed: { api: AxiosInstance; refreshToken: string };

beforeAll(async () => {
  harness = await startHubHarness(clock);
});
afterAll(() => harness.close());
beforeEach(async () => {
  clock.advance(HOUR_MS);
  signed = await harness.signIn(harness.admin.email, harness.admin.password);
});

async function newLink(body?: object, api = signed.api): Promise<{ code: string; expiresAt: string }> {
  const answer = await api.post('/v1/auth/links', body);
  if (answer.status !== 201) throw new Error(`a link: ${answer.status} ${JSON.stringify(answer.data)}`);
  return answer.data as { code: string; expiresAt: string };
}
const follow = (code: string) => harness.anonymous.post('/v1/auth/link', { code });
const outcome = ({ status, data }: AxiosResponse): [number, string | undefined] => [status, data.code];
const INVALID = [401, 'link-invalid'];

describe('a sign-in link', () => {
  it('signs its maker in once, as a password would', async () => {
    const { code, expiresAt } = await newLink();
    expect(Date.parse(expiresAt) - clock.now()).toBe(24 * HOUR_MS);
    const { status, data } = await follow(code);
    expect([status, data.person.email, data.expiresInS]).toEqual([200, harness.admin.email, 600]);
    expect((await apiAt(harness.url, data.accessToken).get('/v1/people')).status).toBe(200);
    expect((await harness.anonymous.post('/v1/auth/refresh', { refreshToken: data.refreshToken })).status).toBe(200);
    expect(outcome(await follow(code))).toEqual(INVALID);
  });

  it('lets one of many in who follow it at once', async () => {
    const { code } = await newLink();
    const answers = await Promise.all(Array.from({ length: 20 }, () => follow(code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('expires when it says, which is within a day', async () => {
    const { code } = await newLink({ expiresInS: 60 });
    const early = await newLink({ expiresInS: 61 });
    clock.advance(60_000);
    expect(outcome(await follow(code))).toEqual(INVALID);
    expect((await follow(early.code)).status).toBe(200);
    for (const expiresInS of [59, 86_401])
      expect(outcome(await signed.api.post('/v1/auth/links', { expiresInS }))).toEqual([400, 'invalid-field']);
  });

  it('dies with the sign-in that made it, and with its person', async () => {
    const { code } = await newLink();
    await harness.anonymous.post('/v1/auth/logout', { refreshToken: signed.refreshToken });
    expect(outcome(await follow(code))).toEqual(INVALID);

    const grants = [{ role: 'analyst', scope: 'tenant' }];
    const admin = await harness.signIn(harness.admin.email, harness.admin.password);
    const { data } = await admin.api.post('/v1/people', { email: 'gone@acme.example', name: 'Gone', grants });
    const gone = await harness.signIn('gone@acme.example', data.password);
    const theirs = await newLink({}, gone.api);
    await admin.api.patch(`/v1/people/${data.id}`, { active: false });
    expect(outcome(await follow(theirs.code))).toEqual(INVALID);
  });

  it('never outlasts the thirty days of the password it comes from', async () => {
    let { api } = signed;
    let refreshToken = '';
    for (let day = 0; day < 30; day += 1) {
      const { code } = await newLink({}, api);
      const { data } = await follow(code);
      clock.advance(24 * HOUR_MS - (day === 29 ? 1_000 : 0));
      const renewed = await harness.anonymous.post('/v1/auth/refresh', { refreshToken: data.refreshToken });
      expect([day, renewed.status]).toEqual([day, 200]);
      api = apiAt(harness.url, renewed.data.accessToken);
      refreshToken = renewed.data.refreshToken;
    }
    clock.advance(1_000);
    expect((await harness.anonymous.post('/v1/auth/refresh', { refreshToken })).status).toBe(401);
  });

  it('of a sign-in that is almost thirty days old says when that ends, and opens nothing from then on', async () => {
    const startedAtMs = clock.now();
    let { refreshToken } = signed;
    let accessToken = '';
    for (let day = 0; day < 30; day += 5) {
      clock.advance(5 * 24 * HOUR_MS - (day === 25 ? HOUR_MS : 0));
      ({ refreshToken, accessToken } = (await harness.anonymous.post('/v1/auth/refresh', { refreshToken })).data);
    }
    const { code, expiresAt } = await newLink({}, apiAt(harness.url, accessToken));
    expect(Date.parse(expiresAt) - startedAtMs).toBe(30 * 24 * HOUR_MS);
    clock.advance(HOUR_MS);
    expect(outcome(await follow(code))).toEqual(INVALID);
  });

  it('gives way to newer ones when there are more than ten', async () => {
    const links = [];
    for (let count = 0; count < 12; count += 1) {
      links.push(await newLink());
      clock.advance(1);
    }
    const statuses = [];
    for (const { code } of links) statuses.push((await follow(code)).status);
    expect(statuses).toEqual([401, 401, ...Array<number>(10).fill(200)]);
  });

  it('is kept as a hash only', async () => {
    const { code } = await newLink();
    const rows = await harness.database.transaction(harness.admin.tenantId, (tx) =>
      tx.query('SELECT * FROM sign_in_link'),
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain(code.slice(4));
  });

  it('that is guessed at is throttled by address, and a right one is not counted', async () => {
    const { code } = await newLink();
    const statuses: number[] = [];
    for (let guess = 0; guess < 62; guess += 1) statuses.push((await follow(`bll_${'x'.repeat(43)}`)).status);
    expect(statuses).toEqual([...Array<number>(60).fill(401), 429, 429]);
    clock.advance(2_000);
    expect((await follow(code)).status).toBe(200);
  });
});

describe('in a browser', () => {
  const own = () => ({ origin: harness.url, 'sec-fetch-site': 'same-origin' });
  const cookieOf = (answer: AxiosResponse): string => String(answer.headers['set-cookie']?.[0]);

  it('the refresh token is in a cookie and nowhere else, from login and from a link, and goes at sign-out', async () => {
    const { email, password } = harness.admin;
    const { code } = await newLink();
    for (const [path, body] of [
      ['login', { email, password }],
      ['link', { code }],
    ] as const) {
      const post = (to: string, sent?: object, headers = {}) =>
        harness.anonymous.post(`/v1/auth/${to}?mode=cookie`, sent, { headers: { ...own(), ...headers } });
      const answer = await post(path, body);
      expect([path, answer.status, answer.data.refreshToken]).toEqual([path, 200, undefined]);
      expect(cookieOf(answer)).toMatch(
        /^__Host-branchline-hub-refresh=blr_[^;]+; Max-Age=604800; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
      );
      const renewed = await post('refresh', undefined, { cookie: cookieOf(answer).split(';')[0] });
      expect([path, renewed.status, renewed.data.refreshToken]).toEqual([path, 200, undefined]);
      const cookie = cookieOf(renewed).split(';')[0];
      const out = await post('logout', undefined, { cookie });
      expect([out.status, cookieOf(out)]).toEqual([204, expect.stringContaining('Max-Age=0')]);
      expect((await post('refresh', undefined, { cookie })).status).toBe(401);
    }
  });

  it('a foreign page is refused before anything is done', async () => {
    const { email, password } = harness.admin;
    const { code } = await newLink();
    const signedIn = await harness.anonymous.post('/v1/auth/login?mode=cookie', { email, password });
    const cookie = cookieOf(signedIn).split(';')[0];
    const bodies = { login: { email, password }, link: { code }, refresh: undefined, logout: undefined };
    for (const [path, body] of Object.entries(bodies)) {
      const headers = { origin: 'https://evil.example', cookie };
      const answer = await harness.anonymous.post(`/v1/auth/${path}?mode=cookie`, body, { headers });
      expect([path, ...outcome(answer)]).toEqual([path, 403, 'foreign-origin']);
      expect(answer.headers['set-cookie']).toBeUndefined();
    }
    expect((await follow(code)).status).toBe(200);
    expect(
      (await harness.anonymous.post('/v1/auth/refresh?mode=cookie', undefined, { headers: { cookie } })).status,
    ).toBe(200);
  });

  it('no token in a body is believed beside the cookie, and no cookie without the mode', async () => {
    const { email, password } = harness.admin;
    const signedIn = await harness.anonymous.post('/v1/auth/login?mode=cookie', { email, password });
    const cookie = cookieOf(signedIn).split(';')[0];
    const { refreshToken } = signed;
    expect(outcome(await harness.anonymous.post('/v1/auth/refresh?mode=cookie', { refreshToken }))).toEqual([
      401,
      'unauthenticated',
    ]);
    expect(outcome(await harness.anonymous.post('/v1/auth/refresh', {}, { headers: { cookie } }))).toEqual([
      401,
      'unauthenticated',
    ]);
  });
});
