import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { systemClock } from '@branchline/domain/clock.js';
import { createLogger } from '@branchline/http/log.js';
import { NUDGES_PATH, NUDGE_BEAT, encodeNudge } from '@branchline/replication/nudge.js';
import { NudgeStreams, STREAMS_MAX, type NudgeSink } from '../src/feed/nudge-streams.js';
import { Nudges } from '../src/feed/nudges.js';
import { BranchGrowth } from '../src/feed/branch-growth.js';
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
      // The agent of all would cut what says nothing for five seconds.
      httpRequest(`${url}${NUDGES_PATH}`, { headers, agent: false }, resolve).on('error', reject).end(),
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

describe('a hello', () => {
  const HELLO = encodeNudge('hello');
  const hellos = (stream: TestStream): number => stream.text.split(HELLO).length - 1;

  async function branchWith(code: string, boxes: number): Promise<TestBox[]> {
    await createBranch(harness.admin.api, code);
    const enrolled: TestBox[] = [];
    for (let at = 0; at < boxes; at += 1) enrolled.push(await TestBox.enrol(harness.url, harness.admin.api, code));
    return enrolled;
  }

  it('is asked for of the other boxes of a branch when a history of it has grown, and not of the one that wrote', async () => {
    await listening();
    const [one, two] = (await branchWith('B011', 2)) as [TestBox, TestBox];
    const streams = [await TestStream.open(one.token), await TestStream.open(two.token)] as const;
    const stranger = await TestStream.open(box.token);
    const journal = one.newJournal();
    journal.sale();
    expect((await one.push(journal.push())).status).toBe(200);
    await eventually('the other’s nudge', () => hellos(streams[1]) === 1);
    await beat();
    await eventually('a beat', () => stranger.text.split(NUDGE_BEAT).length > 2);
    expect([hellos(streams[0]), hellos(stranger)]).toEqual([0, 0]);
  });

  it('is asked for seldom, however much two boxes of a branch sell, and of what came last too', async () => {
    const [one, two] = (await branchWith('B012', 2)) as [TestBox, TestBox];
    const streams = [await TestStream.open(one.token), await TestStream.open(two.token)] as const;
    const startedAtMs = systemClock.now();
    const journals = [one.newJournal(), two.newJournal()] as const;
    for (let times = 0; times < 30; times += 1) {
      for (const [at, each] of [one, two].entries()) {
        const journal = journals[at] as (typeof journals)[0];
        const from = journal.seq + 1;
        journal.sale();
        expect((await each.push(journal.push(times === 0 ? 1 : from))).status).toBe(200);
      }
    }
    await eventually('each told of the other', () => streams.every((each) => hellos(each) >= 1));
    const before = hellos(streams[1]);
    const from = journals[0].seq + 1;
    journals[0].sale();
    await one.push(journals[0].push(from));
    await eventually('what came last', () => hellos(streams[1]) > before);
    const most = 2 + Math.floor((systemClock.now() - startedAtMs) / 5_000);
    for (const stream of streams) expect(hellos(stream)).toBeLessThanOrEqual(most);
  });

  it('is asked for of nobody where a branch has one box, however often it opens a history', async () => {
    const [only] = (await branchWith('B013', 1)) as [TestBox];
    const stream = await TestStream.open(only.token);
    const journal = only.newJournal();
    journal.sale();
    await only.push(journal.push());
    const [other] = (await branchWith('B014', 2)) as [TestBox];
    const after = other.newJournal();
    await other.push(after.push());
    await beat();
    await eventually('a beat', () => stream.text.split(NUDGE_BEAT).length > 2);
    expect(hellos(stream)).toBe(0);
  });
});

describe('growth of branches', () => {
  const of = (branchId: string, incarnation: string) => ({ tenantId: 't', branchId, incarnation });

  it('is told at once, then at most every five seconds, all that grew meanwhile together', () => {
    const growth = new BranchGrowth();
    expect(growth.note(of('b', 'i1'), 1_000)).toBe(true);
    expect(growth.takeDue(1_000)).toEqual([{ tenantId: 't', branchId: 'b', incarnations: ['i1'] }]);
    for (const [incarnation, atMs] of [
      ['i1', 1_100],
      ['i2', 3_000],
      ['i1', 5_900],
    ] as const) {
      expect(growth.note(of('b', incarnation), atMs)).toBe(true);
      expect([growth.takeDue(atMs), growth.isAnyDue]).toEqual([[], true]);
    }
    expect(growth.takeDue(6_000)).toEqual([{ tenantId: 't', branchId: 'b', incarnations: ['i1', 'i2'] }]);
    expect(growth.isAnyDue).toBe(false);
    growth.note(of('b', 'i1'), 7_000);
    expect(growth.takeDue(500)).toHaveLength(1);
  });

  it('of a branch with one box is not looked at for minutes, unless another history grows', () => {
    const growth = new BranchGrowth();
    growth.note(of('b', 'i1'), 0);
    const [grown] = growth.takeDue(0);
    growth.noteAlone(grown!, 0);
    expect(growth.note(of('b', 'i1'), 299_999)).toBe(false);
    expect(growth.note(of('c', 'i1'), 299_999)).toBe(true);
    expect(growth.note(of('b', 'i2'), 299_999)).toBe(true);
    expect(growth.note(of('b', 'i1'), 299_999)).toBe(true);
    growth.noteAlone(grown!, 0);
    expect(growth.note(of('b', 'i1'), 300_000)).toBe(true);
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
