import { PROTOCOL } from '@branchline/replication/protocol.js';
import { CONTRACT } from '@branchline/replication/line.js';
import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import type { FeedPage } from '@branchline/replication/feed.js';
import { brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import { recordAudit } from '../audit/record-audit.js';
import { FEED_START_HASH, feedStand, readFeed } from '../feed/read-feed.js';
import { helloOfBundle } from '../sync/hello.js';
import { findReceiver, principalOf, type BundleBox, type Carrier } from './bundle-box.js';
import { helloOf, noteOut } from './bundle-notes.js';
import type { BundleParts } from './take-bundle.js';

type Parts = Pick<BundleParts, 'database' | 'secrets' | 'clock' | 'newId' | 'logger'>;
export type MadeBundle = { bundle: string; box: BundleBox; bytes: AsyncIterable<Buffer> };

/**
 * What head office has for a box without a line, by what the box said in its last bundle: how far its histories are taken
 * in, and its feed from where it stood. Of a box that never said anything, all of the feed. The bytes come as they are read:
 * a page is in memory.
 *
 * @throws Problem `not-found`, `box-revoked`
 */
export async function makeBundle(
  parts: Parts,
  carrier: Carrier,
  asked: { branchCode: string; box?: string },
): Promise<MadeBundle> {
  const { database, secrets, clock, newId, logger } = parts;
  const [bundle, nowMs] = [newId(), clock.now()];
  const { box, request } = await database.transaction(carrier.tenantId, async (tx) => {
    const box = await findReceiver(tx, carrier, asked.branchCode, asked.box);
    const request = (await helloOf(tx, box.boxId)) ?? SAID_NOTHING;
    await noteOut(tx, box, bundle, nowMs);
    const subject = `box:${box.boxId}`;
    const entry = { actor: carrier.actor, action: 'bundle.out', subject, branchId: box.branchId, detail: { bundle } };
    await recordAudit(tx, entry, { nowMs, newId });
    return { box, request };
  });
  logger.log({ message: 'bundle handed out', branch: box.branchCode, box: box.boxId, bundle });
  const answer = await helloOfBundle(parts, principalOf(box), request);
  const header = {
    ...{ direction: 'down' as const, tenant: box.tenantId, branch: box.branchId, box: box.boxId },
    ...{ bundle, createdAt: nowMs, sealedTo: box.sealingKey },
  };
  const records = recordsFor(parts, box, request, answer);
  return { bundle, box, bytes: writeBundle(header, records, (message) => secrets.signAsHub(message)) };
}

const SAID_NOTHING: HelloRequest = {
  ...{ protocol: PROTOCOL, version: '', contract: CONTRACT, incarnations: [], hashesAt: [], cursors: [] },
};

async function* recordsFor(
  parts: Parts,
  { tenantId }: BundleBox,
  request: HelloRequest,
  answer: HelloAnswer,
): AsyncGenerator<BundleRecord> {
  yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(answer) };
  for (const scope of answer.scopes) {
    for await (const page of pagesOf(parts, tenantId, scope, startOf(scope, request, answer))) {
      const first = page.records[0]?.number ?? 1;
      const last = page.records.at(-1)?.number ?? 0;
      yield { label: { kind: 'page', encoding: 'br', scope, first, last }, body: await brotliJson(page) };
    }
  }
}

type Start = { number: number; hash: string };
const FROM_START: Start = { number: 0, hash: FEED_START_HASH };

/** Where the box stands in the scope, when that is on this feed; else it takes the scope again. */
function startOf(scope: string, { cursors }: HelloRequest, answer: HelloAnswer): Start {
  const verdict = answer.cursors.find((each) => each.scope === scope)?.verdict;
  const cursor = cursors.find((each) => each.scope === scope);
  return cursor !== undefined && verdict === 'ok' && cursor.hubEpoch === answer.hubEpoch ? cursor : FROM_START;
}

/** All that is numbered when the scope's turn comes; one without records too, for a scope that is empty or at its end. */
async function* pagesOf({ database }: Parts, tenantId: string, scope: string, start: Start): AsyncGenerator<FeedPage> {
  const { newest, floor } = await database.transaction(tenantId, (tx) => feedStand(tx, scope, start.number));
  // Its beginning is gone: what there is comes as a snapshot, by line.
  if (start.number < floor) return;
  for (let after = start; ;) {
    const page = await database.transaction(tenantId, (tx) => readFeed(tx, scope, after));
    yield page;
    const last = page.records.at(-1);
    if (last === undefined || last.number >= newest) return;
    after = last;
  }
}
