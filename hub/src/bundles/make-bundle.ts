import { PROTOCOL } from '@branchline/replication/protocol.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import type { HelloRequest } from '@branchline/replication/box-protocol.js';
import { BUNDLE_BYTES_MAX } from '@branchline/replication/bundle.js';
import { RECORD_BYTES_MAX, type BundleRecord } from '@branchline/replication/bundle-records.js';
import { brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import { recordAudit } from '../audit/record-audit.js';
import { helloOfBundle } from '../sync/hello.js';
import { findReceiver, principalOf, type BundleBox, type Carrier } from './bundle-box.js';
import { keysWanted } from './bundle-keys.js';
import { linesLacked } from './bundle-lines.js';
import { noteOut, saidBy } from './bundle-notes.js';
import { recordsOfScope, toldInOrder } from './bundle-scopes.js';
import type { OutParts } from './bundle-parts.js';

/** `end`: whether there would have been more, once all bytes are read. */
export type MadeBundle = { bundle: string; box: BundleBox; end: { isCut: boolean }; bytes: AsyncIterable<Buffer> };

/** Any record fits, so that each bundle brings the box further. */
export const BUNDLE_OUT_BYTES_MIN = 2 * RECORD_BYTES_MAX;
/** Of a snapshot, in one record: what is cut off for want of room comes again. */
const PART_BYTES = 4 * 1024 * 1024;

export type AskedBundle = { branchCode: string; box?: string; bytesMax?: number; partBytes?: number };

/**
 * What head office has for a box without a line, by what the box said in its last bundle: how far its histories are taken
 * in, its feed from where it stood, or its scopes as they stand, keys of persons, and the lines of its branch that it lacks.
 * Of a box that never said anything, all of it. What a till needs comes first, and what does not fit comes with the next
 * bundle. The bytes come as they are read: a page is in memory.
 *
 * @throws Problem `not-found`, `box-revoked`
 */
export async function makeBundle(parts: OutParts, carrier: Carrier, asked: AskedBundle): Promise<MadeBundle> {
  const { database, secrets, clock, newId, logger } = parts;
  const [bundle, nowMs] = [newId(), clock.now()];
  const { box, said } = await database.transaction(carrier.tenantId, async (tx) => {
    const box = await findReceiver(tx, carrier, asked.branchCode, asked.box);
    const said = await saidBy(tx, box.boxId);
    await noteOut(tx, box, bundle, nowMs);
    const subject = `box:${box.boxId}`;
    const entry = { actor: carrier.actor, action: 'bundle.out', subject, branchId: box.branchId, detail: { bundle } };
    await recordAudit(tx, entry, { nowMs, newId });
    return { box, said };
  });
  logger.log({ message: 'bundle handed out', branch: box.branchCode, box: box.boxId, bundle });
  const header = {
    ...{ direction: 'down' as const, tenant: box.tenantId, branch: box.branchId, box: box.boxId },
    ...{ bundle, createdAt: nowMs, sealedTo: box.sealingKey },
  };
  const end = { isCut: false };
  const records = recordsFor(parts, box, said, asked.partBytes ?? PART_BYTES);
  const bytes = writeBundle(header, records, (message) => secrets.signAsHub(message), {
    bytesMax: asked.bytesMax ?? BUNDLE_BYTES_MAX,
    onEnd: ({ isCut }) => (end.isCut = isCut),
  });
  return { bundle, box, end, bytes };
}

const SAID_NOTHING: HelloRequest = {
  ...{ protocol: PROTOCOL, version: '', contract: CONTRACT, incarnations: [], hashesAt: [], cursors: [] },
};

async function* recordsFor(
  parts: OutParts,
  box: BundleBox,
  { hello, wants, saidAtMs }: Awaited<ReturnType<typeof saidBy>>,
  partBytes: number,
): AsyncGenerator<BundleRecord> {
  const request = hello ?? SAID_NOTHING;
  const answer = await helloOfBundle(parts, principalOf(box), request, saidAtMs);
  yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(answer) };
  const reader = { box, request, answer, begun: wants?.parts ?? [], partBytes };
  const { toSell, others } = toldInOrder(answer.scopes);
  for (const scope of toSell) yield* recordsOfScope(parts, reader, scope);
  yield* linesLacked(parts, box, request, answer);
  for (const scope of others) yield* recordsOfScope(parts, reader, scope);
  yield* keysWanted(parts, box, wants?.persons ?? []);
}
