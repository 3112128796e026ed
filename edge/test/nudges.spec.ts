import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import { NUDGE_BEAT, NUDGES_PATH } from '@branchline/replication/nudge.js';
import { FakeHub, type Published } from '../src/replicator/testing/fake-hub.js';
import {
  eventually,
  replicatorOn,
  statusOf,
  type RunningReplicator,
} from '../src/replicator/testing/replicator-fixture.js';
import type { Replicator } from '../src/replicator/replicator.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';

const HOUR_MS = 3_600_000;
/** Nobody polls in the time of a test. */
const CONFIG = { pollMs: HOUR_MS, pushLines: 50, requestTimeoutMs: 2_000, retryMsMin: 10, retryMsMax: 40 };

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let line: FaultProxy;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  line = await startFaultProxy({ target: { host: '127.0.0.1', port: hub.port } });
});

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await store.close();
  await line.close();
  await hub.close();
  fixture.remove();
});

function started(overrides: Parameters<typeof replicatorOn>[2] = {}): RunningReplicator {
  const running = replicatorOn(store, line.url, { config: { ...CONFIG, hubUrl: line.url }, ...overrides });
  stops.push(() => running.replicator.stop());
  running.replicator.start();
  return running;
}

const isOn = (replicator: Replicator): boolean => replicator.figures().nudges === 'on';
const isIdle = (replicator: Replicator): boolean => (replicator.figures().nextAttemptAtMs ?? 0) > systemClock.now() + 1;
/** Connected, and the pulls of the start are over. */
const settled = (replicator: Replicator): Promise<void> =>
  eventually('the stream of nudges', () => replicator.figures().nudges === 'on' && isIdle(replicator));
const pulls = (): number => hub.requests.filter((route) => route.includes('/sync/v1/feed/')).length;
const asked = (): number => hub.requests.filter((route) => route.endsWith(NUDGES_PATH)).length;
const logged = (): string[] =>
  readSyncLog(store.reads, 100, null)
    .map(({ event }) => event)
    .filter((event) => event.startsWith('nudges'));
const price = (minor: number, version: number): Published => ({
  ...{ kind: 'price', key: 'P1/-', version },
  body: { product: 'P1', price: { minor, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null },
});
const minorOf = (): number | undefined =>
  store.reads.get<{ minor: number }>('SELECT minor FROM price WHERE product = ?', 'P1')?.minor;

describe('a nudge', () => {
  it('brings what is new without waiting for the poll', async () => {
    const { replicator } = started();
    await settled(replicator);
    hub.publish('tenant', price(100, 1));
    hub.nudge();
    await eventually('the new price', () => minorOf() === 100);
    expect(statusOf(store, replicator).nudges).toBe('on');
  });

  it('begins no second pull while one runs, and a hundred of them at most one more', async () => {
    const { replicator } = started();
    await settled(replicator);
    line.holdReplies();
    const before = pulls();
    hub.publish('tenant', price(100, 1));
    hub.nudge();
    line.releaseReplies();
    await eventually('the pull', () => pulls() > before);
    for (let times = 0; times < 100; times++) hub.nudge();
    hub.publish('tenant', price(200, 2));
    hub.nudge();
    await eventually('the newer price', () => minorOf() === 200 && isIdle(replicator));
    expect(pulls() - before).toBeLessThanOrEqual(6);
  });

  it('of a kind that this version does not know is passed over', async () => {
    const { replicator } = started();
    await settled(replicator);
    const before = pulls();
    hub.nudge('event: dance\ndata:\n\n');
    hub.publish('tenant', price(100, 1));
    hub.nudge();
    await eventually('the new price', () => minorOf() === 100);
    expect(pulls() - before).toBeLessThanOrEqual(2);
  });
});

describe('the stream of nudges', () => {
  it('comes again when it was cut, and asks at once what was missed', async () => {
    const { replicator } = started();
    await settled(replicator);
    line.cut();
    await eventually('the loss', () => replicator.figures().nudges === 'off');
    hub.publish('tenant', price(100, 1));
    hub.nudge();
    line.restore();
    await eventually('the price nobody nudged for', () => minorOf() === 100);
    await settled(replicator);
    expect(logged()).toEqual(['nudges-again', 'nudges-off']);
  });

  it('is taken for dead when it says nothing, though the connection stays', async () => {
    const { replicator } = started({ nudgeSilentMsMax: 250 });
    await settled(replicator);
    line.setSilent(true);
    await eventually('the silence', () => replicator.figures().nudges === 'off');
    await eventually('the log', () => logged().length > 0);
    expect(readSyncLog(store.reads, 1, null)[0]?.detail).toContain('nothing came for 250 ms');
    line.setSilent(false);
    await eventually('another stream', () => replicator.figures().nudges === 'on');
  });

  it('lives on beats', async () => {
    const { replicator } = started({ nudgeSilentMsMax: 300 });
    await settled(replicator);
    const before = asked();
    for (let beats = 0; beats < 12; beats++) {
      hub.nudge(NUDGE_BEAT);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect([replicator.figures().nudges, asked()]).toEqual(['on', before]);
  });

  it('that ends in order is opened again, with a new token when the old one is not taken', async () => {
    const { replicator } = started();
    await settled(replicator);
    const before = asked();
    hub.forgetTokens();
    for (const stream of hub.nudgeStreams) stream.end();
    await eventually('another stream', () => asked() > before && isOn(replicator));
    expect(hub.nudgeStreams.size).toBe(1);
    expect(logged()).toEqual([]);
  });

  describe('that has lasted', () => {
    const lasting = { nudgeSilentMsMax: 200, config: { ...CONFIG, retryMsMin: 10, retryMsMax: 1_200 } };
    /** Longer than the limit of silence. @returns when it ended */
    async function lastAndEnd(replicator: Replicator): Promise<number> {
      for (let beats = 0; beats < 6; beats++) {
        hub.nudge(NUDGE_BEAT);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(isOn(replicator)).toBe(true);
      for (const stream of hub.nudgeStreams) stream.end();
      await eventually('its end', () => !isOn(replicator));
      return systemClock.now();
    }

    it('and is ended out of turn, as by a restart of the hub, is opened in the box’s turn among all', async () => {
      const { replicator } = started({ ...lasting, config: { ...lasting.config, hubUrl: line.url } });
      await settled(replicator);
      const before = asked();
      const endedAtMs = await lastAndEnd(replicator);
      await eventually('another stream', () => asked() > before);
      // Chance says one half, of 1,200 ms.
      expect(systemClock.now() - endedAtMs).toBeGreaterThan(500);
    });

    it('until its token expired is opened again soon: others’ do not expire with it', async () => {
      hub.tokenLifeS = 1;
      const { replicator } = started({ ...lasting, config: { ...lasting.config, hubUrl: line.url } });
      await settled(replicator);
      const before = asked();
      const endedAtMs = await lastAndEnd(replicator);
      await eventually('another stream', () => asked() > before);
      expect(systemClock.now() - endedAtMs).toBeLessThan(500);
    });
  });

  it('that ends again and again is opened ever less often', async () => {
    hub.intercept = ({ route }) => (route.endsWith(NUDGES_PATH) ? { status: 200, body: '', headers: STREAM } : null);
    const config = { ...CONFIG, hubUrl: line.url, retryMsMin: 20, retryMsMax: HOUR_MS };
    const { replicator } = started({ config });
    await eventually('four of them', () => asked() >= 4);
    const atMs = systemClock.now();
    // Delays of 10, 20, 40 and 80 ms have gone, or soon will have; the next are of 160 and 320.
    await eventually('two more', () => asked() >= 6);
    expect(systemClock.now() - atMs).toBeGreaterThan(150);
    expect(isOn(replicator)).toBe(false);
  });

  it.each([
    ['does not know nudges', { status: 404, body: { code: 'not-found', detail: 'no such route' } }],
    ['is a captive portal', { status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }],
  ])('is missed once in the log, and the polls go on, when the hub %s', async (_what, reply) => {
    hub.intercept = ({ route }) => (route.endsWith(NUDGES_PATH) ? reply : null);
    const { replicator } = started({ config: { ...CONFIG, hubUrl: line.url, pollMs: 100 } });
    await eventually('several tries', () => asked() > 4);
    hub.publish('tenant', price(100, 1));
    await eventually('the new price', () => minorOf() === 100);
    expect([replicator.figures().nudges, replicator.figures().line, replicator.figures().attempts]).toEqual([
      ...['off', 'up', 0],
    ]);
    expect(logged()).toEqual(['nudges-off']);
  });

  it('rests when the box is revoked, until it is forced', async () => {
    hub.intercept = ({ route }) => (route.endsWith(NUDGES_PATH) ? REVOKED : null);
    const { replicator } = started();
    await eventually('the refusal', () => logged().includes('nudges-off') && isIdle(replicator));
    const before = asked();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(asked()).toBe(before);
    hub.intercept = () => null;
    replicator.force();
    await settled(replicator);
  });

  it('ends with the edge, at once', async () => {
    const { replicator, timers } = started();
    await settled(replicator);
    const atMs = systemClock.now();
    await replicator.stop();
    expect(systemClock.now() - atMs).toBeLessThan(1_000);
    expect(timers.getTimeouts()).toEqual([]);
    await eventually('the hub’s end of it', () => hub.nudgeStreams.size === 0);
  });
});

const STREAM = { 'content-type': 'text/event-stream' };
const REVOKED = { status: 403, body: { code: 'box-revoked', detail: 'revoked' } };
