import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { spokenUpTo } from '@branchline/replication/protocol.js';
import { brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import { v7 } from 'uuid';
import { FEED_ROWS } from '../src/feed-appliers.js';
import { takeBundle } from '../src/replicator/bundle-in.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import {
  eventually,
  journalFacts,
  queueOf,
  replicatorOn,
  statusOf,
  type RunningReplicator,
} from '../src/replicator/testing/replicator-fixture.js';
import type { ReplicatorConfig } from '../src/replicator/replicator.js';
import { replicationReadiness } from '../src/replicator/replicator-figures.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';

const SHORT = { pollMs: 100, pushLines: 50, requestTimeoutMs: 500, retryMsMin: 10, retryMsMax: 40 };
/** Only what is journalled moves anything. */
const SELDOM = { pollMs: 60_000, retryMsMin: 30_000, retryMsMax: 60_000 };

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let running: RunningReplicator;

beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
});
afterEach(async () => {
  await running.replicator.stop();
  await store.close();
  await hub.close();
  fixture.remove();
});

function start(newest: number, config: Partial<ReplicatorConfig> = {}): void {
  const spoken = spokenUpTo(newest);
  running = replicatorOn(store, hub.url, { spoken, config: { ...SHORT, ...config, hubUrl: hub.url } });
  running.replicator.start();
}

const drained = (): Promise<void> => eventually('an empty queue', () => queueOf(store) === 0);
const status = () => statusOf(store, running.replicator);
const told = () => readSyncLog(store.reads, 1_000, null).filter(({ event }) => event === 'protocol');

describe('a box and a hub that have no protocol in common', () => {
  it.each([
    ['an older box', 1, 5, 'this box speaks protocol 1, head office 3 to 5: upgrade the box'],
    ['an older hub', 6, 3, 'this box speaks protocol 4 to 6, head office 1 to 3: head office is to be upgraded'],
  ])('say once what is to be done, and all goes by itself once it is: %s', async (_title, ofBox, ofHub, why) => {
    hub.speaks = spokenUpTo(ofHub);
    await journalFacts(store, 2);
    start(ofBox);
    await eventually('it was refused some times', () => status().attempts >= 3);
    expect(status()).toMatchObject({
      standing: 'no-common-protocol',
      standingReason: why,
      protocol: { spoken: spokenUpTo(ofBox), hub: spokenUpTo(ofHub), now: ofBox },
    });
    expect(replicationReadiness(store, running.replicator)).toMatchObject({ standing: 'no-common-protocol' });
    // The store sells on, and what it sells waits.
    await journalFacts(store, 3);
    expect(queueOf(store)).toBe(6);
    expect(told().map(({ level, detail }) => [level, detail.replace(/^\w+: /, '')])).toEqual([['incident', why]]);
    expect(running.alarms).toEqual([expect.stringContaining(why)]);

    hub.speaks = spokenUpTo(ofBox);
    await drained();
    expect(status()).toMatchObject({ standing: 'enrolled', standingReason: null });
    expect(told()).toHaveLength(1);
  });
});

describe('a box that is newer than its hub', () => {
  it('speaks the newest protocol of the hub that it knows, and its own once the hub is upgraded', async () => {
    hub.speaks = spokenUpTo(3);
    await journalFacts(store, 1);
    start(4);
    await drained();
    expect(hub.protocolsPushed).toEqual([3]);
    expect(status()).toMatchObject({ standing: 'enrolled', protocol: { hub: { from: 1, to: 3 }, now: 3 } });
    expect(told()).toEqual([]);

    hub.speaks = spokenUpTo(4);
    running.replicator.force();
    await eventually('hello', () => status().protocol.now === 4);
    await journalFacts(store, 1);
    await drained();
    expect(hub.protocolsPushed).toEqual([3, 4]);
  });

  it('goes on where a hub is exchanged for an older one while it pushes', async () => {
    hub.speaks = spokenUpTo(4);
    await journalFacts(store, 1);
    start(4, SELDOM);
    await drained();
    await eventually('a line that is at rest', () => status().nextAttemptAt !== null && status().nudges === 'on');
    hub.speaks = spokenUpTo(2);
    await journalFacts(store, 1);
    await drained();
    expect(hub.protocolsPushed).toEqual([4, 2]);
    expect(told()).toEqual([]);
  });

  it('speaks the one protocol of a hub of before, which does not say what it speaks', async () => {
    hub.speaks = spokenUpTo(1);
    hub.bend = ({ route }, reply) => {
      if (!route.includes('/hello')) return reply;
      const { spoken: _later, ...body } = reply.body as { spoken: unknown; code?: string };
      return { ...reply, body: body.code === undefined ? body : reply.body };
    };
    await journalFacts(store, 1);
    start(3);
    await drained();
    expect(status().protocol).toEqual({ spoken: spokenUpTo(3), hub: { from: 1, to: 1 }, now: 1 });
  });
});

describe('a bundle of head office', () => {
  /** As head office makes it, with nothing in it but its answer to hello. */
  async function bundleIn(protocol: number, certifying: KeyObject): Promise<string> {
    const { tenant, branch, box, sealingKey } = fixture.box;
    // By the clock of the fake hub, a moment after all that it says by line.
    const createdAt = 1_800_000_000_001;
    const header = {
      ...{ direction: 'down' as const, tenant, branch, box, bundle: v7(), createdAt },
      sealedTo: rawPublicKey(sealingKey),
    };
    const answer = { hubEpoch: v7(), now: 0, protocol, scopes: [], streams: [], hashes: [], cursors: [] };
    const records = async function* (): AsyncGenerator<BundleRecord> {
      yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(answer) };
    };
    const parts: Buffer[] = [];
    for await (const part of writeBundle(header, records(), (message) => sign(null, message, certifying)))
      parts.push(part);
    const path = join(fixture.folder, `${protocol}.bundle`);
    writeFileSync(path, Buffer.concat(parts));
    return path;
  }

  it('in a protocol that the box does not speak is refused and told, and one that it speaks is taken', async () => {
    const { privateKey: certifying } = generateKeyPairSync('ed25519');
    const hubKeys = { certifyingKey: rawPublicKey(certifying), sealingKey: fixture.box.certificate };
    Object.assign(fixture.box, { hubKeys });
    start(1);
    const parts = {
      ...{ store, kinds: FEED_ROWS, clock: fixture.clock, alarm: () => undefined },
      signal: new AbortController().signal,
    };
    const refused = takeBundle(parts, await bundleIn(7, certifying));
    await expect(refused).rejects.toMatchObject({
      code: 'protocol',
      message: expect.stringMatching(/protocol 7.*Take a bundle of this box/),
    });
    expect(readSyncLog(store.reads, 10, null).map(({ event }) => event)).toContain('bundle-refused');
    await expect(takeBundle(parts, await bundleIn(1, certifying))).resolves.toMatchObject({ isNewest: true });
  });
});
