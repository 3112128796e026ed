import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startFaultProxy, type FaultProxy } from '@branchline/fleet/fault-proxy.js';
import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import type { PushHeader } from '@branchline/replication/push.js';
import { brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import { v7 } from 'uuid';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { takeBundle } from '../src/replicator/bundle-in.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import {
  eventually,
  headOf,
  journalFacts,
  queueOf,
  replicatorOn,
  type RunningReplicator,
} from '../src/replicator/testing/replicator-fixture.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let proxy: FaultProxy;
let running: RunningReplicator | null;

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.setsAside = ({ seq }) => (seq % 60 === 3 ? { code: 'data-mismatch', detail: 'by the test' } : null);
  proxy = await startFaultProxy({ target: { host: '127.0.0.1', port: hub.port } });
});
afterEach(async () => {
  await running?.replicator.stop();
  await store.close();
  await proxy.close();
  await hub.close();
  fixture.remove();
});

function start(): RunningReplicator {
  running = replicatorOn(store, proxy.url);
  running.replicator.start();
  return running;
}

const drained = (): Promise<void> => eventually('an empty queue', () => queueOf(store) === 0);
const setAside = (): number[] =>
  readSyncLog(store.reads, 1_000, null)
    .filter(({ event }) => event === 'quarantined')
    .map(({ detail }) => Number(/^head office set line (\d+) aside: data-mismatch/.exec(detail)?.[1]))
    .toReversed();

/** Said again by each hello until then: people are told once. */
async function expectToldOnce(lines: number[]): Promise<void> {
  const hellos = (): number => hub.requests.filter((route) => route.endsWith('/hello')).length;
  const before = hellos();
  running?.replicator.force();
  await eventually('another hello', () => hellos() > before);
  await drained();
  expect(setAside()).toEqual(lines);
}

describe('what head office set aside', () => {
  it('is told to people by the answer', async () => {
    await journalFacts(store, 9);
    start();
    await drained();
    await expectToldOnce([3]);
  });

  it('is told though the answer was lost, and the lines are never sent again', async () => {
    await journalFacts(store, 9);
    proxy.dropReplyOf((request) => request.includes('/sync/v1/push'));
    const { replicator } = start();
    await eventually('a lost reply', () => hub.linesReceived > 0 && replicator.figures().attempts > 0);
    proxy.dropReplyOf(null);
    await drained();
    expect(hub.linesReceived).toBe(10);
    await expectToldOnce([3]);
  });

  it('is told by the next start of a box that was ended before it had the answer', async () => {
    await journalFacts(store, 9);
    proxy.dropReplyOf((request) => request.includes('/sync/v1/push'));
    const { replicator } = start();
    await eventually('lines at the hub', () => hub.linesReceived > 0);
    await replicator.stop();
    expect([queueOf(store), setAside()]).toEqual([10, []]);
    proxy.dropReplyOf(null);
    start();
    await drained();
    await expectToldOnce([3]);
  });

  it('of the first of two pushes under way is told, too, when only the answer to the second came', async () => {
    const begun: number[] = [];
    hub.intercept = ({ route, body }) => {
      if (!route.endsWith('/push')) return null;
      const nth = begun.push(fromSeqOf(body));
      if (nth === 2) proxy.holdReplies();
      if (nth === 3) proxy.releaseReplies();
      return null;
    };
    hub.bend = ({ route, body }, reply) =>
      route.endsWith('/push') && fromSeqOf(body) === 51 ? { status: 500, body: {} } : reply;
    await journalFacts(store, 299);
    start();
    await drained();
    expect(begun).toEqual([1, 51, 101, 151, 201, 251]);
    await expectToldOnce([3, 63, 123, 183, 243]);
  });

  it('of what a bundle brought there is told by the bundle that acknowledges it, once', async () => {
    running = null;
    await journalFacts(store, 9);
    const { privateKey: certifying } = generateKeyPairSync('ed25519');
    Object.assign(fixture.box, { hubKeys: { certifyingKey: rawPublicKey(certifying), sealingKey: '' } });
    const { incarnation, seq: appliedSeq, hash: headHash } = headOf(store);
    const answer = {
      ...{ hubEpoch: v7(), now: 0, protocol: 1, scopes: [], cursors: [] },
      streams: [{ incarnation, appliedSeq, headHash, durableSeq: 0 }],
      hashes: [{ incarnation, seq: appliedSeq, hash: headHash }],
      quarantined: [3, 11].map((seq) => ({ incarnation, seq, code: 'data-mismatch', detail: 'by the test' })),
    };
    const parts = { store, kinds: FEED_ROWS, clock: fixture.clock, alarm: () => undefined };
    const { signal } = new AbortController();
    for (let times = 0; times < 2; times += 1) {
      expect(await takeBundle({ ...parts, signal }, await bundleIn(answer, certifying))).toMatchObject({ queue: 0 });
      expect(setAside()).toEqual([3]);
    }
  });
});

/** As head office makes it for a box without a line. */
async function bundleIn(answer: HelloAnswer, certifying: KeyObject): Promise<string> {
  const { tenant, branch, box, sealingKey } = fixture.box;
  const header = {
    ...{ direction: 'down' as const, tenant, branch, box, bundle: v7(), createdAt: fixture.clock.now() },
    sealedTo: rawPublicKey(sealingKey),
  };
  const records = async function* (): AsyncGenerator<BundleRecord> {
    yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(answer) };
  };
  const parts: Buffer[] = [];
  for await (const part of writeBundle(header, records(), (message) => sign(null, message, certifying)))
    parts.push(part);
  const path = join(fixture.folder, 'stick');
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

const fromSeqOf = (push: Buffer): number =>
  (JSON.parse(push.subarray(0, push.indexOf(0x0a)).toString('utf8')) as PushHeader).fromSeq;
