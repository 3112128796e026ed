import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import { splitHeader } from '@branchline/replication/push.js';
import { brotli } from '@branchline/replication/write-bundle.js';
import { sharedSeqs } from '../sync/hello.js';
import { readLines } from '../sync/read-lines.js';
import type { BundleBox } from './bundle-box.js';
import type { OutParts } from './bundle-parts.js';

/**
 * What this branch has written and the box has not: lines that a restored file lost, those of a box that it replaced, those
 * of another box beside it. The oldest history first, each from behind what both are known to have of it, in pages as by line.
 */
export async function* linesLacked(
  { database }: Pick<OutParts, 'database'>,
  { tenantId, branchId }: BundleBox,
  { incarnations, protocol }: HelloRequest,
  answer: HelloAnswer,
): AsyncGenerator<BundleRecord> {
  const { histories = [] } = answer;
  const shared = new Map(sharedSeqs(incarnations, answer).map(({ incarnation, seq }) => [incarnation, seq]));
  for (const { incarnation, appliedSeq } of histories.toSorted((a, b) => a.epoch - b.epoch)) {
    for (let fromSeq = (shared.get(incarnation) ?? 0) + 1; fromSeq <= appliedSeq;) {
      const from = { incarnation, fromSeq, protocol };
      const page = await database.transaction(tenantId, (tx) => readLines(tx, branchId, from));
      const lastSeq = fromSeq + splitHeader(page).header.count - 1;
      yield { label: { kind: 'lines', encoding: 'br', incarnation, fromSeq, lastSeq }, body: await brotli(page) };
      fromSeq = lastSeq + 1;
    }
  }
}
