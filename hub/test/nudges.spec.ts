import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { systemClock } from '@branchline/domain/clock.js';
import { createLogger } from '@branchline/http/log.js';
import { NUDGES_PATH, NUDGE_BEAT, encodeNudge } from '@branchline/replication/nudge.js';
import { NudgeStreams, STREAMS_MAX, type NudgeSink } from '../src/feed/nudge-streams.js';
import { Nudges } from '../src/feed/nudges.js';
import { notifyOfFeed, readFeedNotice } from '../src/feed/feed-notice.js';
import { startHub } from '../src/start-hub.js';
import { create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let elsewhere: TestBox;
let ahead = 0;
const open: TestStream[] = [];

const PULL = encodeNudge('pull');
const EVENTUALLY_MS_MAX = 30_000;

beforeAll(async () => {
  harness = await startHubHarness({ now: () => systemClock.now() + ahead });
  const { api } = harness.admin;
  await createPlaces(api);
  await create(api, '/v1/price-zones', { code: 'Z2', name: 'Zone 2', timeZone: 'Africa/Johannesburg' });
  await create(api, '/v1/assortments', { code: 'A2', name: 'Assortment 2' });
  await createBranch(api, 'B001');
  await createBranch(api, 'B002', { priceZone: 'Z2', assortment: 'A2' });
  box = await TestBox.enrol(harness.url, api, 'B001');
  elsewhere = await TestBox.enrol(harness.url, api, 'B002');
  await harness.numbered();
});
afterEach(() => {
  for (const stream of open.splice(0)) stream.destroy();
});
afterAll(() => harness.close());

/** A stream as a box reads it, with all that has come. */
class TestStream {
  text = '';
  hasEnded = false;

  private constructor(
    readonly status: number,
    readonly headers: IncomingMessage['headers'],
    private readonly answer: IncomingMessage,
  ) {
    answer.setEncoding('utf8');
    answer.on('data', (piece: string) => (this.text += piece));
    answer.on('end', () => (this.hasEnded = true));
    answer.on('error', () => undefined);
  }

  static async open(token: string, url = harness.url): Promise<TestStream> {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      httpRequest(`${url}${NUDGES_PATH}`, { headers }, resolve).on('error', reject).end(),
    );
    const stream = new TestStream(answer.statusCode ?? 0, answer.headers, answer);
    open.push(stream);
    if (stream.status === 200) await eventually('the first beat', () => stream.text.startsWith(NUDGE_BEAT));
    return stream;
  }

  get nudges(): number {
    return this.text.split(PULL).length - 1;
  }

  destroy(): void {
    this.answer.destroy();
  }
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = systemClock.now() + EVENTUALLY_MS_MAX;
  while (!(await holds())) {
    if (systemClock.now() > endMs) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

let minor = 100;
async function changePrice(zone: string): Promise<void> {
  minor += 1;
  const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor\nP1,One,6001,STD,no,${zone.replace('Z', 'A')},${zone},${minor}\n`;
  const { status } = await harness.admin.api.post('/v1/imports/products', csv, {
    headers: { 'content-type': 'text/csv' },
  });
  expect(status).toBe(200);
}

const beat = () => harness.hub.app.get(Nudges).beat();
const gauge = async (name: string): Promise<number> => {
  const { data } = await harness.anonymous.get<string>('/metrics');
  return Number(new RegExp(`${name} (\\d+)`).exec(data)?.[1] ?? NaN);
};
const listening = () =>
  eventually('the listening connection', async () => (await gauge('branchline_nudge_listening')) === 1);

describe('the stream of nudges', () => {
  it('says at once that a scope of the box has something new', async () => {
    await listening();
    const stream = await TestStream.open(box.token);
    expect(stream.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    expect(stream.headers['x-content-type-options']).toBe('nosniff');
    await changePrice('Z1');
    await eventually('a nudge', () => stream.nudges > 0);
    expect(stream.text.replaceAll(PULL, '').replaceAll(NUDGE_BEAT, '')).toBe('');
  });

  it('says nothing of what concerns other branches only', async () => {
    const stream = await TestStream.open(box.token);
    const other = await TestStream.open(elsewhere.token);
    const body = { operator: 'ben', name: 'Ben', role: 'cashier', pin: '1234' };
    await create(harness.admin.api, '/v1/branches/B002/staff', body);
    await eventually('the other’s nudge', () => other.nudges > 0);
    // What was said to it goes before the beat that is said now.
    await beat();
    await eventually('a beat', () => stream.text.split(NUDGE_BEAT).length > 2);
    expect(stream.nudges).toBe(0);
    await create(harness.admin.api, '/v1/branches/B001/staff', body);
    await eventually('its own', () => stream.nudges > 0);
  });

  it('comes only with the commit, and not at all when it is rolled back', async () => {
    const stream = await TestStream.open(box.token);
    let commit = (): void => undefined;
    const held = new Promise<void>((resolve) => (commit = resolve));
    const refused = harness.database.transaction(box.tenant, async (tx) => {
      await notifyOfFeed(tx, ['zone:Z1']);
      throw new Error('rolled back');
    });
    await expect(refused).rejects.toThrow('rolled back');
    const committed = harness.database.transaction(box.tenant, async (tx) => {
      await notifyOfFeed(tx, ['zone:Z1']);
      await held;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(stream.nudges).toBe(0);
    commit();
    await committed;
    await eventually('the nudge', () => stream.nudges === 1);
  });

  it('tells many changes in few words', async () => {
    const stream = await TestStream.open(box.token);
    const startedAtMs = systemClock.now();
    const notify = () => harness.database.transaction(box.tenant, (tx) => notifyOfFeed(tx, ['tenant']));
    await notify();
    await eventually('the first, at once', () => stream.nudges === 1);
    for (let times = 0; times < 40; times += 1) await notify();
    await eventually('the others, together', () => stream.nudges >= 2);
    const seconds = (systemClock.now() - startedAtMs) / 1000;
    expect(stream.nudges).toBeLessThanOrEqual(2 + Math.ceil(seconds * 2));
  });

  it('carries what another process of the hub has numbered', async () => {
    const config = { databaseUrl: harness.databaseUrl, host: '127.0.0.1', port: 0, secretsDir: harness.secretsDir };
    const second = await startHub({ ...config, logLevel: 'fatal' }, systemClock, createLogger('hub', 'fatal'));
    try {
      const stream = await TestStream.open(box.token, second.url);
      await eventually('its listening connection', async () => {
        const { data } = await harness.anonymous.get<string>(`${second.url}/metrics`);
        return data.includes('branchline_nudge_listening 1');
      });
      await changePrice('Z1');
      await eventually('a nudge', () => stream.nudges > 0);
    } finally {
      await second.close();
    }
  });

  it('goes on after the listening connection was lost', async () => {
    const stream = await TestStream.open(box.token);
    const killed = await harness.database.asOwner<{ pid: number }>(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'branchline-hub-notifications'`,
    );
    expect(killed).toHaveLength(1);
    await eventually('the loss', async () => (await gauge('branchline_nudge_listening')) === 0);
    await listening();
    await changePrice('Z1');
    await eventually('a nudge', () => stream.nudges > 0);
  });

  it('is one for each box: a second ends the first', async () => {
    const first = await TestStream.open(box.token);
    const second = await TestStream.open(box.token);
    await eventually('the end of the first', () => first.hasEnded);
    expect([second.hasEnded, await gauge('branchline_nudge_streams')]).toEqual([false, 1]);
    second.destroy();
    await eventually('none', async () => (await gauge('branchline_nudge_streams')) === 0);
  });

  it('follows a branch into another scope with the next beat', async () => {
    const stream = await TestStream.open(box.token);
    const move = (zone: string) =>
      harness.database.asOwner('UPDATE branch SET price_zone = $2 WHERE id = $1', [box.branch, zone]);
    await move('Z2');
    await beat();
    await harness.database.transaction(box.tenant, (tx) => notifyOfFeed(tx, ['zone:Z2']));
    await eventually('a nudge of its new zone', () => stream.nudges === 1);
    await move('Z1');
  });

  it('ends with the token by which it was opened; a new token opens another', async () => {
    const stream = await TestStream.open(box.token);
    const short = NUDGE_BEAT.length;
    await beat();
    await eventually('a beat', () => stream.text.length === 2 * short);
    expect(stream.hasEnded).toBe(false);
    ahead = 601_000;
    try {
      await beat();
      await eventually('its end', () => stream.hasEnded);
      expect((await TestStream.open(box.token)).status).toBe(401);
    } finally {
      ahead = 0;
    }
    expect((await TestStream.open(box.token)).status).toBe(200);
  });

  it('ends at once when somebody revokes the box', async () => {
    const revoked = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
    const stream = await TestStream.open(revoked.token);
    const { api } = await harness.signIn(harness.admin.email, harness.admin.password);
    expect((await api.post(`/v1/branches/B001/boxes/${revoked.box}/revoke`)).status).toBe(200);
    await eventually('its end', () => stream.hasEnded);
  });

  it('ends for a revoked box with the next beat, and is not opened again', async () => {
    const revoked = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
    const stream = await TestStream.open(revoked.token);
    const stays = await TestStream.open(box.token);
    await harness.database.transaction(revoked.tenant, (tx) =>
      tx.execute('UPDATE box SET revoked_at = now() WHERE id = $1', [revoked.box]),
    );
    await beat();
    await eventually('its end', () => stream.hasEnded);
    expect(stays.hasEnded).toBe(false);
    expect((await TestStream.open(revoked.token)).status).toBe(403);
  });

  it('does not hold up the end of the hub', async () => {
    const config = { databaseUrl: harness.databaseUrl, host: '127.0.0.1', port: 0, secretsDir: harness.secretsDir };
    const second = await startHub({ ...config, logLevel: 'fatal' }, systemClock, createLogger('hub', 'fatal'));
    const stream = await TestStream.open(box.token, second.url);
    const atMs = systemClock.now();
    await second.close();
    expect(systemClock.now() - atMs).toBeLessThan(2_000);
    await eventually('its end', () => stream.hasEnded);
  });
});

describe('the streams of one process', () => {
  const sink = (writableLength = 0): NudgeSink & { said: string[] } => {
    const said: string[] = [];
    return {
      said,
      writableLength,
      write: (text) => said.push(text),
      end: () => said.push('end'),
      destroy: () => said.push('cut'),
    };
  };
  const stream = (boxId: string, to: NudgeSink) => ({
    box: { tenantId: 'T', boxId },
    scopes: ['tenant'],
    expiresAtMs: 1_000,
    sink: to,
  });

  it('give up a box that does not read', () => {
    const streams = new NudgeStreams();
    const [reading, stuck] = [sink(100), sink(5_000)];
    streams.open(stream('reading', reading));
    streams.open(stream('stuck', stuck));
    streams.beat(0);
    expect([reading.said.at(-1), stuck.said.at(-1), streams.size]).toEqual([NUDGE_BEAT, 'cut', 1]);
  });

  it('are bounded, but for a box that comes again', () => {
    const streams = new NudgeStreams();
    for (let at = 0; at < STREAMS_MAX; at += 1) streams.open(stream(`b${at}`, sink()));
    expect([streams.hasRoom('one more'), streams.hasRoom('b7')]).toEqual([false, true]);
  });

  it('of another tenant hear nothing, though scopes have the same names', () => {
    const streams = new NudgeStreams();
    const to = sink();
    streams.open(stream('box', to));
    expect(streams.note({ tenant: 'other', scopes: ['tenant'] })).toBe(false);
    expect(streams.note({ tenant: 'T', scopes: null })).toBe(true);
    streams.flush();
    expect(to.said).toEqual([NUDGE_BEAT, PULL]);
  });
});

describe('a notice', () => {
  it('of more scopes than fit is one of any', async () => {
    const stream = await TestStream.open(box.token);
    const many = Array.from(
      { length: 500 },
      (_, at) => `branch:0193e5a0-0000-7000-8000-${String(at).padStart(12, '0')}`,
    );
    await harness.database.transaction(box.tenant, (tx) => notifyOfFeed(tx, many));
    await eventually('a nudge', () => stream.nudges === 1);
  });

  it.each(['', '{}', '{"tenant":1,"scopes":null}', '{"tenant":"T","scopes":"all"}', 'null'])(
    'that is not ours is none: %s',
    (payload) => expect(readFeedNotice(payload)).toBeNull(),
  );
});
