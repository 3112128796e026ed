import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chainHash } from '@branchline/replication/chain.js';
import { encodeLine } from '@branchline/replication/line.js';
import { PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import { PUSH_MEDIA_TYPE, type PushHeader } from '@branchline/replication/push.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { chanceFrom } from '@branchline/fleet/bench/edge/chance.js';
import { ResetDraws } from '@branchline/fleet/bench/peers/weak-line.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { wrapPersonKey } from '@branchline/replication/person-wrap.js';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import type { LocalWrite } from '../src/store/write-job.js';
import { keepNewPersonKey, personsWrappingKey } from '../src/customers/person-keys.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import {
  eventually,
  headOf,
  journalFacts,
  queueOf,
  replicatorOn,
  statusOf,
  type RunningReplicator,
} from '../src/replicator/testing/replicator-fixture.js';
import { PIECE_BYTES_MAX } from '../src/replicator/lines-round.js';
import { readStreams } from '../src/replicator/push-state.js';
import { replicationReadiness } from '../src/replicator/replicator-figures.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import { hashAt, lineAt } from '../src/store/journal.js';
import { packLine } from '../src/store/line-storage.js';
import { takeLines, type LinesToTake } from '../src/store/take-lines.js';
import type { Store } from '../src/store/store.js';
import { newBox, storeFixture, type StoreFixture, writeRows } from '../src/store/testing/store-fixture.js';

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let proxy: FaultProxy;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: hub.port } });
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await store.close();
  await proxy.close();
  await hub.close();
  fixture.remove();
});

function started(on: Store, url = proxy.url, overrides: Parameters<typeof replicatorOn>[2] = {}): RunningReplicator {
  const running = replicatorOn(on, url, overrides);
  stops.push(() => running.replicator.stop());
  running.replicator.start();
  return running;
}

const drained = (what: Store): Promise<void> => eventually('an empty queue', () => queueOf(what) === 0);
const logged = (what: Store): string[] => readSyncLog(what.reads, 1_000, null).map(({ event }) => event);
const slow = { pollMs: 60_000, retryMsMin: 30_000, retryMsMax: 60_000 };

function expectSame(what: Store): void {
  const { incarnation, seq, hash } = headOf(what);
  expect(hub.headOf(incarnation)).toEqual({ seq, hash });
}

describe('a push', () => {
  it.each([
    ['goes after the keys of persons that its lines name: of a person the first key stands', 200],
    ['goes all the same when the hub takes no keys', 503],
  ])('%s', async (_title, keysStatus) => {
    const sealingKey = rawPublicKey(newBox().sealingKey);
    const keyRoute = '/sync/v1/person-keys';
    // Nothing else offers keys: the feed, at the end of which they go otherwise, gives nothing.
    hub.intercept = ({ route }) => {
      if (route.includes('/sync/v1/feed/')) return { status: 503, body: { code: 'busy' } };
      if (route === `GET ${keyRoute}`) return { status: 200, body: { sealingKey } };
      return route === `POST ${keyRoute}` ? { status: keysStatus, body: { taken: 1, erased: [] } } : null;
    };
    const person = v7();
    const wrapped = wrapPersonKey(person, Buffer.alloc(32, 7), personsWrappingKey(fixture.box)).toString('base64url');
    await store.writer.write(keepNewPersonKey, { person, wrapped });
    await journalFacts(store, 3);
    started(store);
    await drained(store);
    const told = hub.requests.filter((route) => route === `POST ${keyRoute}` || route === 'POST /sync/v1/push');
    expect(told.slice(0, 2)).toEqual([`POST ${keyRoute}`, 'POST /sync/v1/push']);
  });

  it('of keys waits where the hub holds as many as it does before their lines, and others are asked for all the same', async () => {
    const sealingKey = rawPublicKey(newBox().sealingKey);
    const keyRoute = '/sync/v1/person-keys';
    hub.intercept = ({ route }) => {
      if (route === `GET ${keyRoute}`) return { status: 200, body: { sealingKey } };
      if (route === `POST ${keyRoute}/wanted`) return { status: 200, body: { sealed: null, gone: [], erased: [] } };
      return route === `POST ${keyRoute}` ? { status: 503, body: { code: 'person-keys-held' } } : null;
    };
    const [person, other] = [v7(), v7()];
    const wrapped = wrapPersonKey(person, Buffer.alloc(32, 7), personsWrappingKey(fixture.box)).toString('base64url');
    await store.writer.write(keepNewPersonKey, { person, wrapped });
    const seal: LocalWrite<null, void> = {
      name: 'seal',
      run: (tx) => void tx.run("INSERT INTO customer_sealed VALUES (?, 'x', 0)", other),
    };
    await store.writer.write(seal, null);
    started(store);
    await eventually('a question', () => hub.requests.includes(`POST ${keyRoute}/wanted`));
    expect(store.reads.all('SELECT person FROM person_key WHERE offered = 0')).toEqual([{ person }]);
  });

  it('ships the journal in batches until the heads are equal', async () => {
    await journalFacts(store, 173);
    const { replicator } = started(store);
    await drained(store);
    expectSame(store);
    expect(hub.requests.filter((route) => route.endsWith('/push'))).toHaveLength(4);
    const { incarnation, seq, hash, epoch } = headOf(store);
    expect(statusOf(store, replicator)).toMatchObject({
      ...{ incarnation, epoch, lastSeq: seq, appliedSeq: seq, headHash: hash },
      ...{ queue: 0, oldestQueuedAt: null, line: 'up', attempts: 0 },
    });
  });

  it('follows each commit without waiting for the next poll', async () => {
    const { replicator } = started(store, proxy.url, { config: { ...configOf(), ...slow } });
    await eventually('the first contact', () => replicator.figures().line === 'up');
    await journalFacts(store, 1);
    await drained(store);
    expectSame(store);
  });

  it('keeps a fact whose acknowledgement was lost once', async () => {
    const facts = await journalFacts(store, 20);
    proxy.dropReplyOf((request) => request.includes('/sync/v1/push'));
    const { replicator } = started(store);
    await eventually('a lost reply', () => hub.linesReceived > 0 && replicator.figures().attempts > 0);
    expect(queueOf(store)).toBe(21);
    proxy.dropReplyOf(null);
    await drained(store);
    expect(keysOf(headOf(store).incarnation)).toEqual(facts.toSorted());
    expectSame(store);
  });

  it('lets the store go on while the line is down, and catches up when it is back', async () => {
    const { replicator } = started(store);
    await journalFacts(store, 5);
    await drained(store);
    proxy.cut();
    const away = await journalFacts(store, 30);
    await eventually('three failed attempts', () => replicator.figures().attempts >= 3);
    expect(statusOf(store, replicator)).toMatchObject({ line: 'down', queue: 30 });
    proxy.restore();
    await drained(store);
    expectSame(store);
    expect(keysOf(headOf(store).incarnation)).toEqual(expect.arrayContaining(away));
    await eventually('the end of the outage in the log', () => logged(store).some((event) => event.endsWith('-again')));
    expect(logged(store).filter((event) => event === 'line-down').length).toBeLessThanOrEqual(2);
  });

  it.each([
    ['is cut in the middle of the request', (line: FaultProxy) => line.resetAfterBytes({ up: 600 })],
    ['is cut in the middle of the answer', (line: FaultProxy) => line.resetAfterBytes({ down: 40 })],
    ['falls silent', (line: FaultProxy) => line.setSilent(true)],
  ])('goes on after the line %s', async (_what, breakLine) => {
    await journalFacts(store, 40);
    breakLine(proxy);
    const { replicator } = started(store);
    await eventually('a failed attempt', () => replicator.figures().attempts > 0);
    expect(queueOf(store)).toBe(41);
    proxy.resetAfterBytes({});
    proxy.setSilent(false);
    await drained(store);
    expectSame(store);
  });

  it('asks for a new token once when the hub no longer takes the old one', async () => {
    const { replicator } = started(store);
    await journalFacts(store, 1);
    await drained(store);
    hub.forgetTokens();
    await journalFacts(store, 1);
    await drained(store);
    expect(replicator.figures().attempts).toBe(0);
  });

  it('waits as long as the hub asks for', async () => {
    // Both ways: the next poll of the feed, whenever the branch's phase puts it, would be the next attempt otherwise.
    hub.intercept = ({ route }) =>
      route.endsWith('/push') || route.includes('/feed/')
        ? { status: 503, body: { code: 'busy' }, headers: { 'retry-after': '30' } }
        : null;
    await journalFacts(store, 1);
    const { replicator } = started(store, proxy.url, { config: { ...configOf(), pollMs: 3_600_000 } });
    await eventually('a refusal', () => replicator.figures().attempts > 0);
    await eventually('the next attempt', () => replicator.figures().nextAttemptAtMs !== null);
    const { nextAttemptAtMs, lastContactAtMs } = replicator.figures();
    expect(Number(nextAttemptAtMs) - Number(lastContactAtMs)).toBeGreaterThanOrEqual(29_000);
    hub.intercept = () => null;
    replicator.force();
    await drained(store);
  });

  it('tells in one line of one that is damaged, and the store says all the same that it is ready', async () => {
    await journalFacts(store, 1);
    await writeRows(store, (tx) => tx.run(`UPDATE journal SET line = x'01000000ff00' WHERE position = 1`));
    const { replicator, alarms } = started(store);
    await eventually('the alarm', () => alarms.length > 0);
    expect(alarms).toEqual([
      'journal-damaged: push: the journal is damaged at position 1: its bytes are not those that were written',
    ]);
    expect(replicationReadiness(store, replicator)).toMatchObject({ queue: 2, oldestQueuedAt: null });
  });

  it('does not keep the lines before a damaged one waiting', async () => {
    await journalFacts(store, 100);
    await writeRows(store, (tx) => tx.run(`UPDATE journal SET line = x'01000000ff00' WHERE position = 70`));
    const { alarms } = started(store);
    await eventually('the alarm', () => alarms.length > 0);
    expect(alarms[0]).toContain('damaged at position 70');
    expect(hub.headOf(headOf(store).incarnation).seq).toBe(69);
  });

  it('goes packed where there is more than a line or two, and grows while there is more', async () => {
    const pushed: [string | undefined, number][] = [];
    hub.intercept = ({ route, mediaType, body }) => {
      if (route.endsWith('/push')) pushed.push([mediaType, linesIn(body)]);
      return null;
    };
    await journalFacts(store, 1_650);
    started(store, proxy.url, { config: { ...configOf(), ...slow, pushLines: 1_000 } });
    await drained(store);
    expect(pushed).toEqual([
      [PACKED_PUSH_MEDIA_TYPE, 500],
      [PACKED_PUSH_MEDIA_TYPE, 1_000],
      [PACKED_PUSH_MEDIA_TYPE, 151],
    ]);
    await journalFacts(store, 1);
    await drained(store);
    expect(pushed.slice(3)).toEqual([[PUSH_MEDIA_TYPE, 1]]);
    expectSame(store);
  });

  describe('of a backlog, once one came through', () => {
    /** Replies wait from the second push on, until the one after it is there as well. */
    const twoUnderWay = async (): Promise<number[]> => {
      const begun: number[] = [];
      const { intercept } = hub;
      hub.intercept = (request) => {
        if (!request.route.endsWith('/push')) return intercept(request);
        const nth = begun.push(headerOf(request.body).fromSeq);
        if (nth === 2) proxy.holdReplies();
        if (nth === 3) proxy.releaseReplies();
        return intercept(request);
      };
      await journalFacts(store, 299);
      started(store, proxy.url, { config: { ...configOf(), ...slow } });
      return begun;
    };

    /** @returns how many pushes were under way at once, at most */
    const countUnderWay = (): { most: number } => {
      const counted = { now: 0, most: 0 };
      hub.intercept = ({ route }) => {
        if (route.endsWith('/push')) counted.most = Math.max(counted.most, (counted.now += 1));
        return null;
      };
      hub.bend = ({ route }, reply) => {
        // Longer than a reply is on the line, shorter than a reply and the request after it.
        if (route.endsWith('/push')) setTimeout(() => (counted.now -= 1), 50);
        return reply;
      };
      proxy.setDelayMs(40);
      return counted;
    };

    it('is followed by the next while its answer is awaited, and by no third', async () => {
      const counted = countUnderWay();
      const begun = await twoUnderWay();
      await drained(store);
      expect(counted.most).toBe(2);
      expect(begun).toEqual([1, 51, 101, 151, 201, 251]);
      expectSame(store);
    });

    it('is not followed before its answer by a shorter one, which would be there first', async () => {
      const counted = countUnderWay();
      await journalFacts(store, 120);
      started(store, proxy.url, { config: { ...configOf(), ...slow } });
      await drained(store);
      expect([counted.most, hub.requests.filter((route) => route.endsWith('/push')).length]).toEqual([1, 3]);
    });

    it('is acknowledged by the answer to the next when its own is lost', async () => {
      hub.bend = ({ route, body }, reply) =>
        route.endsWith('/push') && headerOf(body).fromSeq === 51 ? { status: 500, body: {} } : reply;
      const begun = await twoUnderWay();
      await drained(store);
      expect(begun).toEqual([1, 51, 101, 151, 201, 251]);
      expectSame(store);
    });

    it.each([
      ['overtook the one before it', { status: 409, body: { code: 'seq-gap', detail: 'no', appliedSeq: 50 } }],
      ['finds no room at the hub', { status: 429, body: { code: 'busy', detail: 'no' } }],
    ])('is sent again in its turn when it %s, and the next ones go alone', async (_what, refusal) => {
      let refused = 0;
      hub.intercept = ({ route, body }) =>
        route.endsWith('/push') && headerOf(body).fromSeq === 101 && (refused += 1) === 1 ? refusal : null;
      const begun = await twoUnderWay();
      await drained(store);
      expect(begun).toEqual([1, 51, 101, 101, 151, 201, 251]);
      expect(logged(store)).not.toContain(refusal.body.code);
      expect(hub.requests.filter((route) => route.endsWith('/hello'))).toHaveLength(1);
      expectSame(store);
    });

    it('comes over a line that breaks at every fifth exchange: each line once, in its order', async () => {
      const chance = chanceFrom(20_261_121);
      const draws = new ResetDraws(0.2, chance);
      proxy.onRequestBytes((bytes) => draws.up(bytes));
      proxy.onReplyBytes((bytes) => draws.down(bytes));
      const facts = await journalFacts(store, 1_200);
      started(store, proxy.url, { config: { ...configOf(), pushLines: 20 } });
      await drained(store);
      expectSame(store);
      expect(proxy.counters.resets).toBeGreaterThan(5);
      expect(keysOf(headOf(store).incarnation)).toEqual(facts.toSorted());
    });
  });

  it('begins after what was acknowledged, whatever it had ready to go next', async () => {
    const begun: number[] = [];
    hub.intercept = ({ route, body }) => {
      if (route.endsWith('/push')) begun.push(headerOf(body).fromSeq);
      return null;
    };
    hub.bend = ({ route }, reply) => {
      if (!route.endsWith('/push') || begun.length > 1) return reply;
      const [stream] = hub.streams.values();
      return { ...reply, body: { ...(reply.body as object), appliedSeq: 10, headHash: stream?.hashes[9] } };
    };
    await journalFacts(store, 149);
    started(store);
    await drained(store);
    expect(begun).toEqual([1, 11, 61, 111]);
    expectSame(store);
  });

  it.each([
    ['does not know', { status: 415, body: { code: 'unsupported-media-type', detail: 'no' } }],
    ['cannot make out', { status: 400, body: { code: 'malformed-push', detail: 'no' } }],
  ])('goes as NDJSON to a hub that %s packed ones, and says so once', async (_what, refusal) => {
    hub.intercept = ({ route, mediaType }) =>
      route.endsWith('/push') && mediaType === PACKED_PUSH_MEDIA_TYPE ? refusal : null;
    await journalFacts(store, 120);
    const { alarms } = started(store);
    await drained(store);
    expectSame(store);
    expect(hub.requests.filter((route) => route.endsWith('/push'))).toHaveLength(1 + 3);
    expect(logged(store).filter((event) => event === 'push-plain')).toHaveLength(1);
    expect(alarms).toEqual([]);
  });

  it('goes as NDJSON with a line that JSON.stringify would write otherwise', async () => {
    await journalFacts(store, 9);
    const { position, seq } = headOf(store);
    const line = encodeLine({ ...lineAt(store.reads, position), seq }).toString('utf8');
    const spaced = Buffer.from(line.replace('{', '{ '));
    const hash = chainHash(Buffer.from(String(hashAt(store.reads, 1, seq - 1)), 'hex'), spaced);
    await writeRows(store, (tx) => {
      tx.run('UPDATE journal SET line = ?, hash = ? WHERE position = ?', packLine(spaced), hash, position);
      return tx.run('UPDATE journal_head SET hash = ?', hash);
    });
    started(store);
    await drained(store);
    expectSame(store);
    expect(logged(store)).not.toContain('push-plain');
  });

  it('halves what the hub finds too large, down to what it takes', async () => {
    hub.intercept = ({ route, body }) => {
      return route.endsWith('/push') && linesIn(body) > 8 ? { status: 413, body: { code: 'body-too-large' } } : null;
    };
    await journalFacts(store, 60);
    started(store);
    await drained(store);
    expectSame(store);
  });

  it('comes through a line that carries only so much before it breaks', async () => {
    hub.intercept = ({ route, body }) => {
      return route.endsWith('/push') && linesIn(body) > 8 ? { status: 200, body: 'cut' } : null;
    };
    await journalFacts(store, 60);
    started(store);
    await drained(store);
    expectSame(store);
  });

  it.each([
    ['of lines that were not sent', (answer: Record<string, unknown>) => ({ ...answer, appliedSeq: 1_000 })],
    ['with another hash', (answer: Record<string, unknown>) => ({ ...answer, headHash: 'f'.repeat(64) })],
    ['of nothing', (answer: Record<string, unknown>) => ({ ...answer, appliedSeq: 0, headHash: '0'.repeat(64) })],
  ])('believes no acknowledgement %s', async (_what, bent) => {
    hub.bend = (request, reply) => {
      if (!request.route.endsWith('/push')) return reply;
      return { ...reply, body: bent(reply.body as Record<string, unknown>) };
    };
    hub.intercept = ({ route }) =>
      route.endsWith('/hello') && hub.linesReceived > 0 ? { status: 503, body: {} } : null;
    await journalFacts(store, 3);
    const { replicator } = started(store);
    await eventually('trouble', () => replicator.figures().attempts > 0 && hub.linesReceived > 0);
    expect(queueOf(store)).toBe(4);
  });

  it('skips nothing when the hub calls it malformed, and alarms', async () => {
    hub.intercept = ({ route }) =>
      route.endsWith('/push') ? { status: 400, body: { code: 'malformed-push', detail: 'no' } } : null;
    await journalFacts(store, 3);
    const { replicator, alarms } = started(store);
    await eventually('two attempts', () => replicator.figures().attempts >= 2);
    expect(queueOf(store)).toBe(4);
    expect(alarms.filter((alarm) => alarm.includes('malformed-push'))).toHaveLength(1);
  });

  it('rests when the box is revoked until it is forced; the store goes on', async () => {
    hub.intercept = () => ({ status: 403, body: { code: 'box-revoked', detail: 'revoked' } });
    const { replicator } = started(store);
    await eventually(
      'both loops at rest',
      () => replicator.figures().nextAttemptAtMs === null && replicator.figures().attempts > 0,
    );
    await journalFacts(store, 2);
    expect(queueOf(store)).toBe(3);
    hub.intercept = () => null;
    replicator.force();
    await drained(store);
  });

  it('stops at once with a request on the line, and leaves no timer', async () => {
    await journalFacts(store, 3);
    proxy.setSilent(true);
    const { replicator, timers } = replicatorOn(store, proxy.url, {
      config: { ...configOf(), requestTimeoutMs: 60_000 },
    });
    replicator.start();
    await eventually('a connection', () => proxy.open > 0);
    await replicator.stop();
    expect(timers.getTimeouts()).toEqual([]);
    expect(queueOf(store)).toBe(4);
  });
});

describe('hello', () => {
  it('teaches a rebuilt file what the hub has, without sending it again', async () => {
    await journalFacts(store, 25);
    const first = started(store);
    await drained(store);
    await first.replicator.stop();
    await writeRows(store, (tx) => tx.run('DELETE FROM push_state'));
    const before = hub.linesReceived;
    started(store);
    await drained(store);
    expect(hub.linesReceived).toBe(before);
  });

  it('sends again what a hub restored from a backup lost', async () => {
    await journalFacts(store, 25);
    const { replicator } = started(store);
    await drained(store);
    hub.forgetLinesAfter(headOf(store).incarnation, 7);
    await journalFacts(store, 1);
    await eventually('equal heads', () => hub.headOf(headOf(store).incarnation).seq === headOf(store).seq);
    expectSame(store);
    expect(replicator.figures().attempts).toBe(0);
  });
});

describe('a copied file', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'branchline-copy-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Of the file as it stands, closed; with its witness, as a cloned disk has it. */
  async function copy(overrides: Parameters<StoreFixture['open']>[0] = {}): Promise<Store> {
    await store.close();
    for (const name of ['edge.db', 'witness']) copyFileSync(join(fixture.folder, name), join(folder, name));
    store = await fixture.open();
    const config = { databaseFile: join(folder, 'edge.db'), witnessFile: join(folder, 'witness') };
    const copied = await fixture.open({ config, ...overrides });
    stops.push(() => copied.close());
    return copied;
  }

  it.each([
    ['more', 150, 130],
    ['less', 20, 130],
    ['as much', 130, 130],
  ])(
    'opens an incarnation of its own and journals there again what the hub lacks, when the original sold %s',
    async (_what, sold, soldByCopy) => {
      const common = await journalFacts(store, 90);
      const copied = await copy();
      const theirs = await journalFacts(store, sold);
      const ours = await journalFacts(copied, soldByCopy);
      const { incarnation } = headOf(store);
      const original = started(store);
      await drained(store);
      await original.replicator.stop();

      const before = linesByKey(copied);
      const { alarms } = started(copied);
      await eventually('a new incarnation', () => headOf(copied).incarnation !== incarnation);
      await drained(copied);

      const { incarnation: opened, epoch, seq } = headOf(copied);
      expect({ epoch, seq }).toEqual({ epoch: 2, seq: 131 });
      expectSame(copied);
      expect(keysOf(incarnation)).toEqual([...common, ...theirs].toSorted());
      expect(keysOf(opened)).toEqual(ours.toSorted());
      for (const { key, contentHash } of hub.linesOf(opened).slice(1)) expect(before.get(key)).toBe(contentHash);
      expect(hub.linesOf(opened)[0]?.body).toMatchObject({
        reason: 'fork',
        previous: { incarnation, seq: 91, hash: hub.streams.get(incarnation)?.hashes[90] },
      });
      // And what the original sold is here, too, behind the common line of its own incarnation.
      await eventually('the other’s facts', () => devicesOf(copied) === 90 + sold + soldByCopy);
      expect(readStreams(copied.reads).map((stream) => stream.incarnation)).toEqual([incarnation, opened]);
      expect(hashAt(copied.reads, 1, 91 + sold)).toBe(hub.headOf(incarnation).hash);
      expect(headOf(copied)).toMatchObject({ incarnation: opened, seq: 131 });
      expect(logged(copied)).toContain('fork');
      expect(alarms.some((alarm) => alarm.includes('130 lines were journalled again'))).toBe(true);
    },
  );

  it('that sold nothing since is only behind: it gets what it lacks, and goes on in the same incarnation', async () => {
    await journalFacts(store, 5);
    const copied = await copy();
    await journalFacts(store, 5);
    const original = started(store);
    await drained(store);
    await original.replicator.stop();
    const { incarnation } = headOf(copied);
    started(copied);
    await eventually('the end of the catching up', () => logged(copied).includes('incarnation-goes-on'));
    expect(logged(copied)).toContain('hub-ahead');
    expect(headOf(copied)).toMatchObject({ incarnation, due: null, seq: 11, hash: hub.headOf(incarnation).hash });
    expect([queueOf(copied), devicesOf(copied)]).toEqual([0, 10]);
    await journalFacts(copied, 2);
    await drained(copied);
    expect(hub.headOf(incarnation).seq).toBe(13);
  });

  it('takes a page that is as large as a push was in pieces, between which the tills have their turn', async () => {
    const copied = await copy();
    await journalFacts(store, 1_500);
    const config = { ...configOf(), pushLines: 5_000 };
    const original = started(store, proxy.url, { config });
    await drained(store);
    await original.replicator.stop();
    const handedOver: number[] = [];
    const { writer } = copied;
    const background = writer.background.bind(writer);
    writer.background = (write, input, state, signal) => {
      if (write.name === takeLines.name) {
        const { lines } = input as LinesToTake;
        handedOver.push(lines.reduce((sum, { length }) => sum + length, 0));
      }
      return background(write, input, state, signal);
    };
    started(copied, proxy.url, { config });
    await eventually('all of it', () => devicesOf(copied) === 1_500);
    expect(Math.max(...handedOver)).toBeLessThanOrEqual(PIECE_BYTES_MAX);
    // More pieces than pages, none of them tiny.
    const pages = hub.requests.filter((route) => route.includes('/sync/v1/lines')).length;
    expect(handedOver.length).toBeGreaterThan(pages);
    expect(handedOver.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(2 * PIECE_BYTES_MAX);
    expect(hashAt(copied.reads, 1, 1_501)).toBe(hub.headOf(headOf(store).incarnation).hash);
  });

  it('in another box goes on in the name of that box', async () => {
    await journalFacts(store, 4);
    const { tenant, branch } = fixture.box;
    const other = newBox({ tenant, branch, epoch: 2 });
    const copied = await copy({ box: other });
    const facts = await journalFacts(copied, 3);
    const hubOfOther = await FakeHub.start(other);
    stops.push(() => hubOfOther.close());
    started(copied, hubOfOther.url);
    await drained(copied);
    const { incarnation, epoch } = headOf(copied);
    expect(epoch).toBe(2);
    const keys = hubOfOther.linesOf(incarnation).map(({ key }) => key);
    expect(keys).toEqual(expect.arrayContaining(facts));
    expect(keys).toHaveLength(1 + 4 + 3);
  });
});

const devicesOf = ({ reads }: Store): number =>
  reads.get<{ devices: number }>('SELECT count(*) AS devices FROM device')?.devices ?? 0;

const linesIn = (push: Buffer): number => headerOf(push).count;

function headerOf(push: Buffer): PushHeader {
  return JSON.parse(push.subarray(0, push.indexOf(0x0a)).toString('utf8')) as PushHeader;
}

const configOf = (): NonNullable<Parameters<typeof replicatorOn>[2]>['config'] & object => ({
  hubUrl: proxy.url,
  ...{ pollMs: 100, pushLines: 50, requestTimeoutMs: 500, retryMsMin: 10, retryMsMax: 40 },
});

/** Of the facts, without the line that opens the incarnation. */
function keysOf(incarnation: string): string[] {
  return hub
    .linesOf(incarnation)
    .slice(1)
    .map(({ key }) => key)
    .toSorted();
}

function linesByKey(of: Store): Map<string, string> {
  const { position } = headOf(of);
  const lines = Array.from({ length: position }, (_, at) => lineAt(of.reads, at + 1));
  return new Map(lines.map(({ key, contentHash }) => [key, contentHash]));
}
