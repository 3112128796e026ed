import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import type { AxiosInstance, AxiosResponse } from 'axios';
import pg from 'pg';
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
const refresh = (refreshToken: string) => harness.anonymous.post('/v1/auth/refresh', { refreshToken });

type Tokens = { accessToken?: string; refreshToken: string };
/** Whether each can still be renewed; those that can are, in place. */
async function alive(sessions: Tokens[]): Promise<boolean[]> {
  const answers = [];
  for (const session of sessions) {
    const { status, data } = await refresh(session.refreshToken);
    answers.push(status === 200);
    if (status === 200) Object.assign(session, data);
  }
  return answers;
}

type Hold = {
  now(): Promise<unknown>;
  whenWaitedFor(waiting: number, unlessAnswered: Promise<unknown>): Promise<void>;
};
/** A transaction that stands still with what the statement locks, until it is told to commit. */
async function holding(sql: string, params: unknown[], work: (hold: Hold) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(sql, params);
    const whenWaitedFor = async (waiting: number, unlessAnswered: Promise<unknown>): Promise<void> => {
      let answered = false;
      const stop = (): void => void (answered = true);
      unlessAnswered.then(stop, stop);
      for (let looks = 0; looks < 10_000 && !answered; looks += 1) {
        const { rows } = await client.query(`SELECT count(*)::int AS count FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`);
        if (rows[0].count >= waiting) return;
      }
    };
    await work({ now: () => client.query('COMMIT'), whenWaitedFor });
  } finally {
    await client.end();
  }
}

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

  it('opens a sign-in that ends with the one that made it, as do links of links, and not the other way round', async () => {
    const child = (await follow((await newLink()).code)).data;
    const grandchild = (await follow((await newLink({}, apiAt(harness.url, child.accessToken))).code)).data;
    const sibling = (await follow((await newLink()).code)).data;
    await harness.anonymous.post('/v1/auth/logout', { refreshToken: child.refreshToken });
    expect(await alive([signed, child, grandchild, sibling])).toEqual([true, false, false, true]);
    await harness.anonymous.post('/v1/auth/logout', { refreshToken: signed.refreshToken });
    expect(await alive([sibling])).toEqual([false]);
  });

  it('opens a sign-in that ends when a token of the one that made it was stolen', async () => {
    const child = (await follow((await newLink()).code)).data;
    const second = await refresh(signed.refreshToken);
    await refresh(second.data.refreshToken);
    expect(outcome(await refresh(signed.refreshToken))).toEqual([401, 'refresh-reused']);
    expect(await alive([child])).toEqual([false]);
  });

  it('that is followed while its maker signs out opens nothing that stays', async () => {
    const { code } = await newLink();
    await holding('SELECT 1 FROM sign_in_link WHERE code_hash = $1 FOR UPDATE', [hashToken(code)], async (hold) => {
      const followed = follow(code);
      await hold.whenWaitedFor(1, followed);
      const out = harness.anonymous.post('/v1/auth/logout', { refreshToken: signed.refreshToken });
      await hold.whenWaitedFor(2, out);
      await hold.now();
      const [{ status, data }] = await Promise.all([followed, out]);
      if (status === 200) expect(await alive([data])).toEqual([false]);
      else expect([status, data.code]).toEqual(INVALID);
    });
  });

  it('that is followed while its person is let go opens nothing, not even for when the person is back', async () => {
    const email = `left-${clock.now()}@acme.example`;
    const grants = [{ role: 'analyst', scope: 'tenant' }];
    const { data: person } = await signed.api.post('/v1/people', { email, name: 'Left', grants });
    const left = await harness.signIn(email, person.password);
    const { code } = await newLink({}, left.api);
    await holding('UPDATE person SET active = false WHERE id = $1', [person.id], async (hold) => {
      const followed = follow(code);
      const signedIn = harness.anonymous.post('/v1/auth/login', { email, password: person.password });
      await hold.whenWaitedFor(2, Promise.all([followed, signedIn]));
      await hold.now();
      expect(outcome(await followed)).toEqual(INVALID);
      expect(outcome(await signedIn)).toEqual([401, 'wrong-credentials']);
    });
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

  it('is not made by a sign-in that is over, and be it that nothing is left of it', async () => {
    const links = (api: AxiosInstance) => api.post('/v1/auth/links');
    const { api, refreshToken } = await harness.signIn(harness.admin.email, harness.admin.password);
    await harness.anonymous.post('/v1/auth/logout', { refreshToken });
    expect(outcome(await links(api))).toEqual([401, 'unauthenticated']);
    const client = new pg.Client({ connectionString: harness.databaseUrl });
    await client.connect();
    await client.query('DELETE FROM refresh_token WHERE token_hash = $1', [hashToken(refreshToken)]);
    await client.query('DELETE FROM refresh_family WHERE ended_at IS NOT NULL');
    await client.end();
    expect(outcome(await links(api))).toEqual([401, 'unauthenticated']);
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

  it('a link of somebody else replaces no sign-in before the person has said so, and is not used up by asking', async () => {
    const post = (to: string, sent: object | undefined, cookie?: string) =>
      harness.anonymous.post(`/v1/auth/${to}?mode=cookie`, sent, { headers: { ...own(), ...(cookie && { cookie }) } });
    const grants = [{ role: 'analyst', scope: 'tenant' }];
    const { data } = await signed.api.post('/v1/people', { email: 'mallory@acme.example', name: 'Mallory', grants });
    const mallory = await harness.signIn('mallory@acme.example', data.password);
    const { email, password } = harness.admin;
    const cookie = cookieOf(await post('login', { email, password })).split(';')[0] as string;

    const { code } = await newLink({}, mallory.api);
    const asked = await post('link', { code }, cookie);
    expect([...outcome(asked), asked.headers['set-cookie']]).toEqual([409, 'signed-in-otherwise', undefined]);
    expect(asked.data.detail).toBe(`You are signed in here as ${email}. This link signs in mallory@acme.example.`);
    // What was confirmed in one browser is worth nothing in another, nor for another link.
    const elsewhere = cookieOf(await post('login', { email, password })).split(';')[0] as string;
    const second = await newLink({}, mallory.api);
    for (const [sent, at] of [
      [{ code, confirm: asked.data.confirm }, elsewhere],
      [{ code: second.code, confirm: asked.data.confirm }, cookie],
      [{ code, confirm: 'yes' }, cookie],
    ] as const)
      expect(outcome(await post('link', sent, at))).toEqual([409, 'signed-in-otherwise']);

    // Renewed in the meantime, in another tab: still the same sign-in.
    const renewed = cookieOf(await post('refresh', undefined, cookie)).split(';')[0];
    const confirmed = await post('link', { code, confirm: asked.data.confirm }, renewed);
    expect([confirmed.status, confirmed.data.person.email]).toEqual([200, 'mallory@acme.example']);
  });

  it('a link of oneself, and any link where nobody is signed in any more, is followed without a question', async () => {
    const { email, password } = harness.admin;
    const signedIn = await harness.anonymous.post('/v1/auth/login?mode=cookie', { email, password });
    const headers = { ...own(), cookie: cookieOf(signedIn).split(';')[0] };
    const byLink = async (code: string) =>
      (await harness.anonymous.post('/v1/auth/link?mode=cookie', { code }, { headers })).status;
    expect(await byLink((await newLink()).code)).toBe(200);
    await harness.anonymous.post('/v1/auth/logout?mode=cookie', undefined, { headers });
    const grants = [{ role: 'analyst', scope: 'tenant' }];
    const { data } = await signed.api.post('/v1/people', { email: 'other@acme.example', name: 'Other', grants });
    const other = await harness.signIn('other@acme.example', data.password);
    expect(await byLink((await newLink({}, other.api)).code)).toBe(200);
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
