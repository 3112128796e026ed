import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { v7 } from 'uuid';
import { applyFetched } from '../../src/apply-fetched.js';
import { APPLIERS } from '../../src/appliers.js';
import { openShift } from '../../src/cash/open-shift.js';
import { FEED_ROWS } from '../../src/feed-appliers.js';
import { moveReference } from '../../src/move-reference.js';
import { completeSale, type ProposedSale } from '../../src/selling/complete-sale.js';
import { saveBox } from '../../src/store/box.js';
import { examine } from '../../src/store/doctor.js';
import { readHead } from '../../src/store/journal.js';
import { Store, type OwnStore } from '../../src/store/store.js';
import { newBox, visibleTake, writeRows } from '../../src/store/testing/store-fixture.js';
import type { Connection } from '../../src/store/tx.js';
import { edgeThatDies } from './edge-that-dies.js';

const BY = { actor: 'anna', device: v7() };

describe('an edge killed while it writes a sale', () => {
  let folder: string;
  const box = newBox();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'branchline-crash-'));
    saveBox(folder, box);
    const store = await open();
    await writeRows(store, (tx) => {
      const settings = {
        code: 'B001',
        name: 'First',
        timeZone: 'Africa/Johannesburg',
        cutOffMinutes: 0,
        currency: 'ZAR',
        taxRounding: 'line',
        defaultTaxClass: null,
        priceZone: 'Z1',
        assortment: 'A1',
        region: 'R1',
        receiptName: 'First',
      };
      FEED_ROWS['branch-settings'].apply(tx, {
        take: visibleTake(tx),
        key: 'settings',
        version: 1,
        contract: 1,
        deleted: false,
        body: settings,
      });
      const milk = { code: 'MILK', name: 'Milk', category: null, department: null, brand: null, packSize: null };
      const product = { ...milk, taxClass: null, fractional: false, barcodes: [], active: true };
      FEED_ROWS.product.apply(tx, {
        take: visibleTake(tx),
        key: 'MILK',
        version: 1,
        contract: 1,
        deleted: false,
        body: product,
      });
      const price = { product: 'MILK', price: { minor: 1999, per: 1 }, currency: 'ZAR', validFrom: 0, validTo: null };
      FEED_ROWS.price.apply(tx, {
        take: visibleTake(tx),
        key: 'MILK/-',
        version: 1,
        contract: 1,
        deleted: false,
        body: price,
      });
    });
    const shift = { id: v7(), drawer: 'D1', floatMinor: 10_000 };
    await store.writer.execute(
      openShift,
      { input: shift, contentHash: contentHash(shift), till: 'T1', mayImport: false },
      BY,
    );
    await store.writer.execute(completeSale, newSale(), BY);
    await store.close();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const open = (): Promise<OwnStore> =>
    Store.open({
      config: { databaseFile: join(folder, 'edge.db'), witnessFile: join(folder, 'witness') },
      box,
      appliers: APPLIERS,
      moveReference,
      applyFetched,
      clock: systemClock,
      newId: () => v7(),
      alarm: (message) => {
        throw new Error(message);
      },
      onFatal: (error) => {
        throw error;
      },
    });

  it.each([
    { phase: 'half written', stands: false },
    { phase: 'written, not committed', stands: false },
    { phase: 'committed, not witnessed', stands: true },
    { phase: 'witnessed, not told', stands: true },
  ] as const)('$phase: the till asks again and the sale stands exactly once', async ({ phase, stands }) => {
    const sale = newSale();
    const point = { write: 'complete-sale', nth: 1, phase };
    const dead = await edgeThatDies(folder, point, { sale, by: BY });
    expect(dead).toEqual({ signal: 'SIGKILL', said: '' });

    const store = await open();
    expect(store.reads.get('SELECT count(*) AS sales FROM sale')).toEqual({ sales: stands ? 2 : 1 });
    const { answer, replayed } = await store.writer.execute(completeSale, sale, BY);
    expect(replayed).toBe(stands);
    expect(answer).toMatchObject({
      receiptNumber: 'B001-T1-1-000002',
      totalMinor: 3998,
      journal: { epoch: 1, seq: 4 },
    });
    expect(store.reads.get('SELECT count(*) AS sales FROM sale')).toEqual({ sales: 2 });
    expect(store.reads.get('SELECT on_hand_milli AS onHand FROM stock_balance')).toEqual({ onHand: -4000 });
    expect(readHead(store.reads)?.seq).toBe(4);
    expect(examine(store.reads as Connection, store.witness.found).filter(({ well }) => !well)).toEqual([]);
    await store.close();
  });
});

function newSale(): ProposedSale {
  const input = {
    id: v7(),
    lines: [{ lineNo: 1, product: 'MILK', quantity: 2 }],
    tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 3998 }],
  };
  return { input, contentHash: contentHash(input), till: 'T1', branchCode: 'B001', mayImport: false };
}
