import { Problem } from '@branchline/http/problem.js';
import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import type { BundleWants } from '@branchline/replication/bundle-wants.js';
import type { FeedPage } from '@branchline/replication/feed.js';
import { brotliJson } from '@branchline/replication/write-bundle.js';
import { FEED_START_HASH, feedStand, readFeed } from '../feed/read-feed.js';
import { regionScope } from '../feed/scopes.js';
import type { OpenSnapshot } from '../feed/snapshots.js';
import type { BundleBox } from './bundle-box.js';
import { keysOf, keysOfRegion } from './bundle-keys.js';
import type { OutParts } from './bundle-parts.js';

/** Who reads, and where it stands. `begun`: snapshots of which it has a beginning. */
export type Reader = {
  box: BundleBox;
  request: HelloRequest;
  answer: HelloAnswer;
  begun: BundleWants['parts'];
  partBytes: number;
};

/** What a sale needs, as the edge takes its scopes in turn; the rest of the bundle stands between. */
const TO_SELL = ['branch', 'tenant', 'assortment', 'zone'];

export function toldInOrder(scopes: readonly string[]): { toSell: string[]; others: string[] } {
  const turnOf = (scope: string): number => TO_SELL.indexOf(scope.split(':', 1)[0] ?? '');
  return {
    toSell: scopes.filter((scope) => turnOf(scope) >= 0).sort((a, b) => turnOf(a) - turnOf(b)),
    others: scopes.filter((scope) => turnOf(scope) < 0),
  };
}

type Start = { number: number; hash: string };
const FROM_START: Start = { number: 0, hash: FEED_START_HASH };

/**
 * Of one scope: pages from where the box stands; where it stands nowhere on this feed, what stands in the scope and pages
 * behind it. With customers go the keys of those whom they name.
 */
export async function* recordsOfScope(parts: OutParts, reader: Reader, scope: string): AsyncGenerator<BundleRecord> {
  const { box } = reader;
  const hasCustomers = scope === regionScope(box.region);
  let start = startOf(scope, reader);
  const snapshot = start === FROM_START ? await openSnapshot(parts, box.tenantId, scope) : null;
  if (snapshot !== null) {
    yield* partsOf(snapshot, scope, reader);
    start = snapshot.snapshot.facts;
    if (hasCustomers) yield* keysOfRegion(parts, box);
  }
  for await (const page of pagesOf(parts, box.tenantId, scope, start)) {
    const first = page.records[0]?.number ?? 1;
    const last = page.records.at(-1)?.number ?? 0;
    yield { label: { kind: 'page', encoding: 'br', scope, first, last }, body: await brotliJson(page) };
    if (hasCustomers) yield* keysOf(parts, box, customersIn(page));
  }
}

/** Where the box stands in the scope, when that is on this feed; else it takes the scope again. */
function startOf(scope: string, { request: { cursors }, answer }: Reader): Start {
  const verdict = answer.cursors.find((each) => each.scope === scope)?.verdict;
  const cursor = cursors.find((each) => each.scope === scope);
  return cursor !== undefined && verdict === 'ok' && cursor.hubEpoch === answer.hubEpoch ? cursor : FROM_START;
}

/** @returns null where the feed is short, and read from its beginning */
async function openSnapshot(
  { database, snapshots }: OutParts,
  tenantId: string,
  scope: string,
): Promise<OpenSnapshot | null> {
  const stand = await database.transaction(tenantId, (tx) => feedStand(tx, scope, 0));
  try {
    return await snapshots.open(tenantId, stand, true);
  } catch (error) {
    if (error instanceof Problem && error.code === 'no-snapshot') return null;
    throw error;
  }
}

/** The file as the line would send it, from behind what the box has of it. */
async function* partsOf(
  { snapshot: { facts }, file, handle }: OpenSnapshot,
  scope: string,
  { begun, partBytes }: Reader,
): AsyncGenerator<BundleRecord> {
  const { sha256: fileSha256, bytes: fileBytes } = file;
  try {
    const part = begun.find((each) => each.scope === scope && each.fileSha256 === fileSha256);
    for (let from = Math.min(part?.have ?? 0, fileBytes); from < fileBytes;) {
      const body = Buffer.alloc(Math.min(partBytes, fileBytes - from));
      const { bytesRead } = await handle.read(body, 0, body.length, from);
      if (bytesRead < body.length) throw new Error(`the snapshot of ${scope} was cut short`);
      const label = { kind: 'snapshot', encoding: 'identity', scope, from, fileBytes, fileSha256, facts } as const;
      yield { label, body };
      from += body.length;
    }
  } finally {
    await handle.close();
  }
}

/** All that is numbered when the scope's turn comes; one without records too, for a scope that is empty or at its end. */
async function* pagesOf(
  { database }: Pick<OutParts, 'database'>,
  tenantId: string,
  scope: string,
  start: Start,
): AsyncGenerator<FeedPage> {
  const { newest } = await database.transaction(tenantId, (tx) => feedStand(tx, scope, start.number));
  for (let after = start; ;) {
    const page = await database.transaction(tenantId, (tx) => readFeed(tx, scope, after));
    yield page;
    const last = page.records.at(-1);
    if (last === undefined || last.number >= newest) return;
    after = last;
  }
}

function customersIn({ records }: FeedPage): string[] {
  return records.filter(({ kind, deleted }) => kind === 'customer' && !deleted).map(({ key }) => key);
}
