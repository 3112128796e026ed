import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FeedPage } from '@branchline/replication/feed.js';
import { eventually, journalFacts, queueOf, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import type { Replicator } from '../src/replicator/replicator.js';
import { readSyncLog } from '../src/replicator/sync-log.js';
import type { Store } from '../src/store/store.js';
import { storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';

type Release = { helloAnswer: { hubEpoch: string; scopes: string[] }; feed: Record<string, FeedPage> };
const RELEASE = JSON.parse(
  readFileSync(join(process.cwd(), 'libs/replication/fixtures/contract-1/release.json'), 'utf8'),
) as Release;

/** All that the first release had. */
const ROUTES = ['/enrol', '/token', '/hello', '/push', '/feed/', '/nudges'].map((route) => `/sync/v1${route}`);
/** Members that its hello did not have. */
const LATER = ['histories', 'certifyingKey', 'epoch', 'directives', 'hubKeys', 'spoken'];

let fixture: StoreFixture;
let store: Store;
let hub: FakeHub;
let replicator: Replicator;

/** A hub of the first contract, with the feed that one of them had. */
beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
  hub = await FakeHub.start(fixture.box);
  hub.hubEpoch = RELEASE.helloAnswer.hubEpoch;
  hub.scopes = RELEASE.helloAnswer.scopes;
  for (const [scope, { records }] of Object.entries(RELEASE.feed)) hub.feeds.set(scope, records);
  hub.intercept = ({ route }) =>
    ROUTES.some((known) => route.split(' ')[1]?.startsWith(known))
      ? null
      : { status: 404, body: { status: 404, code: 'not-found', title: 'There is no such thing here.' } };
  hub.bend = ({ route }, reply) => {
    if (!route.includes('/hello') || reply.status !== 200) return reply;
    const body = Object.entries(reply.body as object).filter(([member]) => !LATER.includes(member));
    return { ...reply, body: Object.fromEntries(body) };
  };
  replicator = replicatorOn(store, hub.url).replicator;
});
afterEach(async () => {
  await replicator.stop();
  await store.close();
  await hub.close();
  fixture.remove();
});

const count = (table: string): number => store.reads.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;
const told = () => readSyncLog(store.reads, 1_000, null).filter(({ level }) => level !== 'info');

describe('a box of this release at a hub of the first', () => {
  it('sends what it journals and takes the whole feed, and finds nothing strange', async () => {
    await journalFacts(store, 3);
    replicator.start();
    await eventually('all is sent', () => queueOf(store) === 0);
    const records = Object.values(RELEASE.feed).flatMap((page) => page.records);
    const ofKind = (kind: string): number => records.filter((record) => record.kind === kind).length;
    await eventually('all is applied', () => count('feed_staged') === 0 && count('price') === ofKind('price'));
    expect([count('product'), count('operator'), count('tax_class'), count('branch_setting')]).toEqual([
      ofKind('product'),
      ofKind('operator'),
      ofKind('tax-class'),
      1,
    ]);
    expect(told()).toEqual([]);
    expect(fixture.alarms).toEqual([]);
  });

  it('goes on when such a hub comes back from a backup, and lost what it had acknowledged', async () => {
    await journalFacts(store, 3);
    replicator.start();
    await eventually('all is sent', () => queueOf(store) === 0);
    hub.streams.clear();
    await journalFacts(store, 1);
    await eventually('all is sent again', () => queueOf(store) === 0 && hub.streams.size === 1);
    expect([...hub.streams.values()].map(({ lines }) => lines.length)).toEqual([5]);
  });
});
