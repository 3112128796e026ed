import type { PrincipalOf } from '@branchline/access/principal.js';
import { uuid } from '@branchline/http/fields.js';
import { Problem, problem } from '@branchline/http/problem.js';
import type { ProblemCode } from '@branchline/http/problem-codes.js';
import { parseWith } from '@branchline/http/schema.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { Store } from '../store/store.js';
import type { SaleOutcome } from './complete-sale.js';
import { recordFinishedSale } from './record-finished-sale.js';
import { finishedSaleInput, toldSaleInput } from './sale-input.js';
import { recordToldSale } from './told-sale.js';

export const BATCH_ITEMS_MAX = 200;

/**
 * `POST /v1/tills/:till/batch`. Items are checked one by one, so that a malformed one hinders no other; `device` repeats
 * whose token asks. Their own schemas are `finishedSaleInput` and `toldSaleInput`.
 */
export const batchInput = z.strictObject({
  device: z.string().min(1).max(64),
  items: z.array(z.record(z.string(), z.unknown())).min(1).max(BATCH_ITEMS_MAX),
});
export type BatchInput = z.output<typeof batchInput>;

export type ItemResult = {
  /** Null where the item names none. */
  id: string | null;
  status: 'accepted' | 'replayed' | 'refused';
  code?: ProblemCode;
  detail?: string;
  receiptNumber?: string;
};

/**
 * Each item is a command of its own. The store failing is no verdict on an item: then the whole batch fails, and is sent
 * again; what was accepted is replayed.
 *
 * @throws Problem not-yours (another till's or device's), and any 5xx
 */
export async function takeBatch(
  store: Store,
  till: string,
  { device, items }: BatchInput,
  who: PrincipalOf<'device'>,
): Promise<ItemResult[]> {
  if (till !== who.till) throw problem('not-yours', `this device stands at till ${who.till}`);
  if (device !== who.deviceId) throw problem('not-yours', 'the batch is of another device');
  const taken: Promise<ItemResult>[] = [];
  for (const item of items) {
    const result = takeItem(store, item, who);
    // Awaited below; until then a failure of the store is nobody's unhandled rejection.
    result.catch(() => undefined);
    taken.push(result);
    // To look through 150 baskets of 600 lines takes half a second: sales have their turn in between.
    await nextTurn();
  }
  return Promise.all(taken);
}

async function takeItem(store: Store, item: Record<string, unknown>, who: PrincipalOf<'device'>): Promise<ItemResult> {
  const id = uuid.safeParse(item['id']).data ?? null;
  try {
    if (item['kind'] === 'payment' || item['kind'] === 'void') {
      throw problem('kind-not-supported', `${item['kind']} cannot be handed in here yet`);
    }
    const { answer, replayed } = await record(store, item, who);
    return { id, status: replayed ? 'replayed' : 'accepted', receiptNumber: answer.receiptNumber };
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    return { id, status: 'refused', code: error.code, detail: error.detail };
  }
}

/** Told: an edge had answered it. Otherwise the till finished it alone. */
function record(store: Store, item: Record<string, unknown>, who: PrincipalOf<'device'>): Promise<SaleOutcome> {
  const sale = { contentHash: contentHashOfItem(item), till: who.till, branchCode: store.box.branchCode };
  const device = who.deviceId;
  if (item['told'] !== undefined) {
    const input = parseWith(toldSaleInput, item);
    return store.writer.execute(recordToldSale, { ...sale, input }, { actor: input.told.operator, device });
  }
  const input = parseWith(finishedSaleInput, item);
  return store.writer.execute(recordFinishedSale, { ...sale, input }, { actor: input.operator ?? null, device });
}

/**
 * The same as if the sale had come by `POST /v1/sales`: a till that lost the reply to a live sale hands it over as
 * finished, and it must be known again. `kind`, `operator` and `told` belong to the handing over.
 */
function contentHashOfItem({
  kind: _kind,
  operator: _operator,
  told: _told,
  ...sale
}: Record<string, unknown>): string {
  return contentHash(sale);
}
