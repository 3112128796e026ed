import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Refused } from '../chain/json-client.js';
import { Shopper, type ShopperParts } from './shopper.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-shopper-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A till that answers each sale as told and writes down what else it is asked; after the last answer the shop closes. */
function shopOf(answers: (string | Error)[]) {
  const asked: string[] = [];
  const closing = new AbortController();
  let ids = 0;
  const parts: ShopperParts = {
    cashier: {
      openShift: async ({ id }) => void asked.push(`open ${id}`),
      sell: async ({ id }) => {
        const answer = answers.shift() ?? '';
        if (answers.length === 0) setImmediate(() => closing.abort());
        if (answer instanceof Error) throw answer;
        asked.push(`sold on ${answer}`);
        return { sale: { id, receiptNumber: 'R', businessDate: answer, totalMinor: 1 }, tries: 1, replayed: false };
      },
    },
    supervisor: {
      interim: async () => ({ tenders: [{ tenderType: 'cash', expectedMinor: 31_500 }] }),
      closeShift: async (id, declared) => {
        asked.push(`close ${id} with ${JSON.stringify(declared)}`);
        return { zNumber: 1, byBusinessDate: [] };
      },
      sealDay: async (businessDate) => void asked.push(`seal ${businessDate}`),
    },
    products: [{ product: 'MILK-1L', fractional: false, priceMinor: 175 }],
    shiftFile: join(folder, 'B001.json'),
    newId: () => `id${(ids += 1)}`,
    // The shortest of pauses.
    chance: () => 0,
    signal: closing.signal,
    tell: (line) => asked.push(line),
    onSale: () => undefined,
  };
  return { asked, run: () => new Shopper(parts).run() };
}

describe('the days of a demo store', () => {
  it('end with the first sale of the next: counted, closed, sealed, and a new shift', async () => {
    const { asked, run } = shopOf(['2026-11-20', '2026-11-21']);
    await run();
    expect(asked).toEqual([
      'open id1',
      'sold on 2026-11-20',
      'sold on 2026-11-21',
      'close id1 with [{"tenderType":"cash","amountMinor":31500}]',
      'seal 2026-11-20',
      'open id4',
    ]);
  });

  it('go on after a restart in the shift that was open', async () => {
    await shopOf(['2026-11-20']).run();
    const { asked, run } = shopOf(['2026-11-20']);
    await run();
    expect(asked).toEqual(['open id1', 'sold on 2026-11-20']);
  });

  it('go on in a new shift when theirs was closed by hand', async () => {
    const { asked, run } = shopOf([new Refused('sale', 409, 'shift-not-found', ''), '2026-11-20']);
    await run();
    expect(asked).toEqual(['open id1', 'open id3', 'sold on 2026-11-20']);
  });
});
