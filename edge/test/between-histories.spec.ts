import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contentHash } from '@branchline/replication/content-hash.js';
import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { v7 } from 'uuid';
import { sealDay } from '../src/cash/seal-day.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import { completeSale } from '../src/selling/complete-sale.js';
import type { SaleAnswer } from '../src/selling/sale-answer.js';
import { recordToldSale } from '../src/selling/told-sale.js';
import { toldSchema } from '../src/selling/told-schema.js';
import type { Command } from '../src/store/command.js';
import { lineAt } from '../src/store/journal.js';
import { newBox } from '../src/store/testing/store-fixture.js';
import { broken, WorldBox } from './branch-world.js';

/** What other boxes of the branch did, beside what this one is doing. */
let hub: FakeHub;
let boxes: WorldBox[];
let a: WorldBox;

beforeEach(async () => {
  boxes = [];
  const identity = newBox();
  hub = await FakeHub.start(identity);
  hub.pageLinesMax = 10;
  a = await boxOf(WorldBox.start(identity));
});
afterEach(async () => {
  for (const box of boxes) {
    await box.close().catch(() => undefined);
    box.remove();
  }
  await hub.close();
});

async function boxOf(starting: Promise<WorldBox>): Promise<WorldBox> {
  const box = await starting;
  boxes.push(box);
  return box;
}

async function replacement(epoch = 2): Promise<WorldBox> {
  const { tenant, branch } = a.identity;
  const identity = newBox({ tenant, branch, epoch });
  hub.boxes.push(identity);
  hub.epoch = epoch - 1;
  return boxOf(WorldBox.start(identity));
}

const BY = { actor: 'MAX', device: null };

/** As a till keeps it: what it asked, and what it was answered. */
async function soldAt(box: WorldBox): Promise<{ input: Record<string, unknown>; answer: SaleAnswer }> {
  const tenders = [{ tenderNo: 1, type: 'cash', amountMinor: 4_000 }];
  const input = { id: v7(), lines: [{ lineNo: 1, product: 'MILK', quantity: 2 }], tenders };
  const sale = { input, contentHash: contentHash(input), till: 'T1', branchCode: 'B001', mayImport: false };
  const { answer } = await box.store.writer.execute(completeSale, sale, BY);
  return { input, answer };
}

describe('a till that sells while another box’s shift of it comes', () => {
  it('goes on in the shift that it opened here', async () => {
    await a.openShift('D1');
    await a.sellMany(2);
    await a.meet(hub);
    const b = await replacement();
    const own = await b.openShift('D2');
    await b.sell();
    await b.meet(hub);
    expect(b.openShifts()).toHaveLength(2);
    await b.sellMany(2);
    expect(await b.closeShift(own)).toMatchObject({ totals: { baskets: 3 } });
  });
});

describe('a sale that its till offers again', () => {
  it('before the shift has come in which it was made, is in that shift’s Z', async () => {
    const shift = await a.openShift();
    await a.sell();
    await a.meet(hub);
    // Never pushed: the disk dies, the till knows it.
    const { input, answer } = await soldAt(a);
    const b = await replacement();
    const offered = { input: { ...input, told: toldSchema.parse(answer) } as never, contentHash: contentHash(input) };
    await b.store.writer.execute(recordToldSale, { ...offered, till: 'T1', branchCode: 'B001' }, BY);
    await b.meet(hub);
    expect(await b.closeShift(shift)).toMatchObject({ totals: { baskets: 2 }, tenders: [{ expectedMinor: 17_996 }] });
    await b.meet(hub);
    expect(await broken(b, hub, new Set([answer.id]))).toEqual([]);
  });
});

/** What no program of ours writes: a line of a box that is in other hands. */
const forgeSale: Command<{ change: Partial<SaleBody>; key?: string }, null> = {
  name: 'forge-sale',
  decide(tx, { change, key }) {
    const last = tx.get<{ position: number }>('SELECT position FROM sale ORDER BY no DESC LIMIT 1');
    const body = { ...(lineAt(tx, last?.position ?? 0).body as SaleBody), id: v7(), ...change };
    return {
      lines: [{ kind: 'sale', key: key ?? body.id, refs: [], contentHash: contentHash(body), body }],
      answer: () => null,
    };
  },
};

describe('a fetched line that head office sets aside', () => {
  it.each([
    ['amounts that are no whole minor units', { totalMinor: 39.98 }],
    ['sums that are not its lines’', { totalMinor: 1 }],
    ['no till', { till: '' }],
    ['the key of another', {}, v7()],
  ])('for %s, is held here too, and the others stand', async (_what, change, key: string | undefined = undefined) => {
    await a.openShift();
    await a.sell();
    await a.store.writer.execute(forgeSale, { change, ...(key !== undefined && { key }) }, BY);
    await a.sell();
    await a.meet(hub);
    const b = await replacement();
    await b.meet(hub);
    expect(b.logged('line-held')).toEqual([expect.stringContaining('line 4')]);
    expect(b.sales()).toHaveLength(2);
    expect(b.store.reads.all('SELECT grand_total_minor AS total FROM till_total')).toEqual([{ total: 2 * 3_998 }]);
  });
});

describe('a fetched line of the greatest length', () => {
  it('that its box can give no more is journalled again, and is head office’s to set aside where it is too long then', async () => {
    await a.openShift();
    await a.sellMany(3);
    await a.meet(hub);
    const [incarnation = ''] = hub.streams.keys();
    const { seq } = hub.headOf(incarnation);
    hub.forge(incarnation, 4, (line) => line.replace('"Milk"', `"${'M'.repeat(LINE_BYTES_MAX - line.length + 4)}"`));
    hub.forgetLinesAfter(incarnation, seq);
    const b = await replacement();
    await b.openShift('D2', 'T2');
    await b.sellMany(8, 'T2');
    await b.meet(hub);
    hub.streams.clear();
    await b.meet(hub);
    expect(b.logged('fork')).toHaveLength(1);
    const lengths = [...hub.streams.values()].flatMap(({ bytes }) => bytes.map(({ length }) => length));
    expect(Math.max(...lengths)).toBe(LINE_BYTES_MAX + 1);
    expect(b.sales().length).toBeGreaterThanOrEqual(10);
    await b.sell('T2');
    await b.meet(hub);
  });
});

describe('a fetched line that is none at all', () => {
  it.each([
    ['no JSON', () => '{"seq":4,'],
    ['no line', () => '{}'],
    ['no text', () => Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
    ['no UTF-8', (line: string) => Buffer.from(line.replace('Milk', 'M\u00eflk'), 'latin1')],
    ['longer than any line', (line: string) => line.replace('"Milk"', `"${'M'.repeat(300_000)}"`)],
  ])('but %s, is kept as it came, and does not keep back what follows it', async (_what, forged) => {
    await a.openShift();
    await a.sellMany(3);
    await a.meet(hub);
    const [incarnation = ''] = hub.streams.keys();
    const { seq } = hub.headOf(incarnation);
    hub.forge(incarnation, 4, forged);
    hub.forgetLinesAfter(incarnation, seq);
    const b = await replacement();
    await b.meet(hub);
    expect(b.logged('line-held')).toEqual([expect.stringContaining('line 4')]);
    expect(b.sales()).toHaveLength(2);
    await b.sell();
    await b.meet(hub);
    expect(hub.streams.size).toBe(2);
    const told = (await broken(b, hub, new Set())).filter(
      (what) => !/^(sales|stock|movements|tenders|grand total):/.test(what),
    );
    expect(told).toEqual([]);
    // Head office loses it: what the dead box can give no more is journalled again, as far as it is a line.
    hub.streams.clear();
    await b.meet(hub);
    expect(b.sales()).toHaveLength(3);
    expect(b.logged('fork')).toHaveLength(1);
  });
});

describe('a fetch that is cut in the middle', () => {
  it('tells of every receipt number that was printed twice, also of those before the cut', async () => {
    await a.openShift();
    await a.sellMany(3);
    const backup = await a.backup();
    await a.sellMany(12);
    await a.meet(hub);
    await a.restore(backup, 'restored too');
    await a.sellMany(12);
    let pages = 0;
    hub.intercept = ({ route }) =>
      route.includes('/sync/v1/lines') && ++pages === 2 ? { status: 503, body: {} } : null;
    await a.meet(hub);
    expect(pages).toBeGreaterThan(2);
    const told = a.logged('duplicate-receipt-number').map((detail) => Number.parseInt(detail, 10));
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(12);
  });
});

describe('a clock that is set back', () => {
  it('leaves a day sealed that is still to come, and the store opens', async () => {
    a.clock.set(Date.parse('2036-11-20T12:00:00Z'));
    await a.closeShift(await a.openShift());
    await a.store.writer.execute(sealDay, { businessDate: '2036-11-20', tillsHolding: [] }, BY);
    await expect(a.openShift()).rejects.toMatchObject({ code: 'day-sealed' });
    a.clock.set(Date.parse('2026-11-20T12:00:00Z'));
    await a.openShift();
    const { answer } = await soldAt(a);
    expect(answer).toMatchObject({ businessDate: '2026-11-20', flags: ['late'] });
  });

  it('does not keep the store from asking head office what it lacks', async () => {
    await a.openShift();
    const { replicator } = replicatorOn(a.store, hub.url, { clock: a.clock });
    replicator.start();
    try {
      await replicator.askFirst(5_000, 5_000);
      const hellos = (): number => hub.requests.filter((route) => route.includes('/hello')).length;
      const before = hellos();
      a.clock.set(a.clock.now() - 10 * 365 * 86_400_000);
      await replicator.askFirst(5_000, 5_000);
      expect(hellos()).toBeGreaterThan(before);
    } finally {
      await replicator.stop();
    }
  });
});
