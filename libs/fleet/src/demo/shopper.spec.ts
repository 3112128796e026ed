import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NoAnswer, Refused } from '../chain/json-client.js';
import { Shopper, type ShopperParts } from './shopper.js';

let folder: string;
let ids: number;
beforeEach(() => {
  ids = 0;
  folder = mkdtempSync(join(tmpdir(), 'branchline-shopper-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

type Answer = string | Error;

/** A till that answers each sale as told and writes down what else it is asked; after the last answer the shop closes. */
function shopOf(answers: Answer[], refuseSeal: Error | (() => Error | null) | null = null) {
  const asked: string[] = [];
  const told: string[] = [];
  const closing = new AbortController();
  const shop = { asked, told, onTrouble: () => {}, close: () => closing.abort(), run: () => new Shopper(parts).run() };
  const parts: ShopperParts = {
    cashier: {
      openShift: async ({ id }) => void asked.push(`open ${id}`),
      shelf: async () => {
        asked.push('shelf');
        return [{ product: 'MILK-1L', department: 'Dairy', fractional: false, price: { minor: 175, per: 1 } }];
      },
      sell: async ({ id }) => {
        const answer = answers.shift() ?? '';
        if (answers.length === 0) setImmediate(() => closing.abort());
        asked.push(`sell ${id}`);
        if (answer instanceof Error) throw answer;
        return { sale: { id, receiptNumber: 'R', businessDate: answer, totalMinor: 175 }, tries: 1, replayed: false };
      },
    },
    supervisor: {
      interim: async () => ({ tenders: [{ tenderType: 'cash', expectedMinor: 31_500 }] }),
      closeShift: async (id, declared) => {
        asked.push(`close ${id} with ${JSON.stringify(declared)}`);
        return { zNumber: 1, byBusinessDate: [] };
      },
      sealDay: async (businessDate) => {
        asked.push(`seal ${businessDate}`);
        const refused = typeof refuseSeal === 'function' ? refuseSeal() : refuseSeal;
        if (refused) throw refused;
      },
    },
    drawer: 'D1',
    memoryFile: join(folder, 'B001-T1.json'),
    newId: () => `id${(ids += 1)}`,
    chance: () => 0,
    pauseMs: () => 0,
    troubleMs: 0,
    signal: closing.signal,
    tell: (line) => {
      asked.push(`trouble: ${line}`);
      shop.onTrouble();
    },
    onSale: ({ id }) => void told.push(id),
  };
  return shop;
}
const refusal = (status: number, code: string): Refused => new Refused('sale', status, code, '');

describe('the days of a till', () => {
  it('end with the first sale of the next: counted, closed, sealed, and a new shift', async () => {
    const { asked, run } = shopOf(['2026-11-20', '2026-11-21', '2026-11-21']);
    await run();
    expect(asked).toEqual([
      ...['open id1', 'shelf', 'sell id2', 'sell id3'],
      'close id1 with [{"tenderType":"cash","amountMinor":31500}]',
      ...['seal 2026-11-20', 'open id4', 'sell id5'],
    ]);
  });

  it('are sealed by the till that closes last', async () => {
    const { asked, run } = shopOf(['2026-11-20', '2026-11-21', '2026-11-21'], refusal(409, 'shift-open'));
    await run();
    expect(asked.slice(-3)).toEqual(['seal 2026-11-20', 'open id4', 'sell id5']);
  });

  it('that were closed and not sealed when the start was killed are sealed by the next one, before it opens', async () => {
    const killed = shopOf(['2026-11-20', '2026-11-21', ''], new NoAnswer('killed'));
    killed.onTrouble = () => killed.close();
    await killed.run();
    expect(killed.asked.slice(-2)).toEqual(['seal 2026-11-20', 'trouble: killed']);
    const next = shopOf(['2026-11-21', '2026-11-21']);
    await next.run();
    expect(next.asked.slice(0, 2)).toEqual(['seal 2026-11-20', 'open id4']);
    expect(next.asked.filter((line) => line.startsWith('seal'))).toHaveLength(1);
  });

  it('are sealed as soon as the edge answers, and a seal that is refused is told and given up', async () => {
    const refusals: (Error | null)[] = [new NoAnswer('away'), refusal(503, 'busy'), refusal(422, 'invalid-field')];
    const { asked, run } = shopOf(['2026-11-20', '2026-11-21', '2026-11-21'], () => refusals.shift() ?? null);
    await run();
    expect(asked.slice(5)).toEqual([
      ...['seal 2026-11-20', 'trouble: away', 'seal 2026-11-20', 'trouble: sale: 503 busy: '],
      ...['seal 2026-11-20', 'trouble: sale: 422 invalid-field: ', 'open id4', 'sell id5'],
    ]);
  });

  it('go on after a restart in the shift that was open', async () => {
    await shopOf(['2026-11-20', '2026-11-20']).run();
    const { asked, run } = shopOf(['2026-11-20', '2026-11-20']);
    await run();
    expect(asked.slice(0, 2)).toEqual(['open id1', 'sell id3']);
  });

  it('go on in a new shift, with the same customer, when theirs was closed by hand', async () => {
    const { asked, told, run } = shopOf([refusal(409, 'shift-not-found'), '2026-11-20']);
    await run();
    expect(asked).toEqual(['open id1', 'shelf', 'sell id2', 'open id3', 'sell id2']);
    expect(told).toEqual(['id2']);
  });
});

describe('a sale', () => {
  it('of which nobody knows is posted again with the same id, until there is an answer', async () => {
    const { asked, told, run } = shopOf([
      new NoAnswer('reset'),
      refusal(401, 'wrong-pin'),
      refusal(500, 'internal'),
      '2026-11-20',
    ]);
    await run();
    expect(asked.filter((line) => line.startsWith('sell'))).toEqual(Array(4).fill('sell id2'));
    expect(told).toEqual(['id2']);
  });

  it('that a killed start was posting is posted by the next one first, with the same id', async () => {
    await shopOf([new NoAnswer('killed')]).run();
    const { asked, told, run } = shopOf(['2026-11-20', '2026-11-20']);
    await run();
    expect(asked).toEqual(['open id1', 'sell id2', 'shelf', 'sell id3']);
    expect(told).toEqual(['id2', 'id3']);
  });

  it('that is refused was never done: the next customer comes, at the prices of now', async () => {
    const { asked, told, run } = shopOf([refusal(422, 'total-differs'), '2026-11-20']);
    await run();
    expect(asked).toEqual(['open id1', 'shelf', 'sell id2', 'trouble: sale: 422 total-differs: ', 'shelf', 'sell id3']);
    expect(told).toEqual(['id3']);
  });
});
