import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { EdgeHarness, importedSale, milkSale, NOON, type Answer, type TestTill } from './edge-harness.js';

let edge: EdgeHarness;
let till: TestTill;
let manager: TestTill;

beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.product('MILK', { minor: 1999 });
  await edge.operator('ANNE', 'cashier');
  await edge.operator('MAX', 'store-manager');
  till = await edge.till('T1', 'ANNE');
  manager = await edge.till('T2', 'MAX');
});
afterEach(() => edge.close());

const codeOf = ({ status, data }: Answer): [number, string] => [status, data.code];
const opened = async (who: TestTill, shift: object = {}): Promise<string> => {
  const { status, data } = await who.openShift(shift);
  expect(status).toBe(201);
  return data.id;
};
const close = (who: TestTill, id: string, declared: object[] = []): Promise<Answer> =>
  who.post(`/shifts/${id}/close`, { declared });

describe('opening a shift', () => {
  it('answers with who, where, when and the business date, and again with the same', async () => {
    const shift = { id: v7(), drawer: 'D1', floatMinor: 5000 };
    const first = await till.openShift(shift);
    expect(first.status).toBe(201);
    expect(first.data).toEqual({
      ...shift,
      till: 'T1',
      operator: 'ANNE',
      currency: 'ZAR',
      openedAt: new Date(NOON).toISOString(),
      businessDate: '2026-11-20',
      journal: { incarnation: expect.any(String), epoch: 1, seq: expect.any(Number), hash: expect.any(String) },
    });
    edge.clock.advance(1000);
    const again = await till.openShift(shift);
    expect([again.status, again.headers['idempotent-replay']]).toEqual([200, 'true']);
    expect(again.data).toEqual(first.data);
    expect(codeOf(await till.openShift({ ...shift, floatMinor: 1 }))).toEqual([409, 'same-id-other-content']);
  });

  it('is once per till and once per drawer', async () => {
    await opened(till, { drawer: 'D1' });
    expect(codeOf(await till.openShift({ drawer: 'D2' }))).toEqual([409, 'shift-open']);
    expect(codeOf(await manager.openShift({ drawer: 'D1' }))).toEqual([409, 'drawer-in-use']);
    await opened(manager, { drawer: 'D2' });
  });

  it('of two at once lets one in', async () => {
    const answers = await Promise.all([till.openShift(), till.openShift()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });
});

describe('X and Z', () => {
  const sellSome = async (): Promise<void> => {
    for (const tenders of [
      [{ tenderNo: 1, type: 'cash', amountMinor: 5000 }],
      [{ tenderNo: 1, type: 'card', amountMinor: 3998 }],
      [
        { tenderNo: 1, type: 'card', amountMinor: 2000, cashBackMinor: 500 },
        { tenderNo: 2, type: 'cash', amountMinor: 3000 },
      ],
    ]) {
      expect((await till.sell(milkSale({ tenders }))).status).toBe(201);
    }
  };

  it('adds up sales, tenders and differences; the X before it shows the same sums', async () => {
    const id = await opened(till, { floatMinor: 10_000 });
    await sellSome();
    const x = await till.get(`/shifts/${id}/x`);
    const declared = [
      { tenderType: 'cash', amountMinor: 16_000 },
      { tenderType: 'card', amountMinor: 5998 },
      { tenderType: 'voucher', amountMinor: 100 },
    ];
    edge.clock.advance(3_600_000);
    const back = await till.device.signIn('ANNE');
    const { status, data: z } = await close(back, id, declared);
    expect(status).toBe(201);
    const sums = {
      baskets: 3,
      lines: 3,
      units: 6,
      amountMinor: 11_994,
      discountMinor: 0,
      netMinor: 3 * 3477,
      taxMinor: 3 * 521,
      totalMinor: 11_994,
    };
    // Float 10000 + 5000 − 1002 change + 3000 − 502 change − 500 cash back.
    const expectedCash = 10_000 + 3998 + 1998;
    expect(z).toMatchObject({
      id,
      zNumber: 1,
      till: 'T1',
      drawer: 'DT1',
      operator: 'ANNE',
      openedAt: new Date(NOON).toISOString(),
      closedAt: new Date(NOON + 3_600_000).toISOString(),
      byBusinessDate: [{ businessDate: '2026-11-20', ...sums }],
      totals: sums,
      grandTotalMinor: 11_994,
    });
    expect(z.tenders).toEqual([
      { tenderType: 'card', currency: 'ZAR', expectedMinor: 5998, declaredMinor: 5998, differenceMinor: 0 },
      {
        tenderType: 'cash',
        currency: 'ZAR',
        expectedMinor: expectedCash,
        declaredMinor: 16_000,
        differenceMinor: 16_000 - expectedCash,
      },
      { tenderType: 'voucher', currency: 'ZAR', expectedMinor: 0, declaredMinor: 100, differenceMinor: 100 },
    ]);
    expect(z.exceptions).toEqual(['cash is 4 ZAR minor over', 'voucher is 100 ZAR minor over']);
    expect(x.data).toMatchObject({ totals: z.totals, byBusinessDate: z.byBusinessDate, grandTotalMinor: 11_994 });
    expect(x.data.tenders).toEqual([
      { tenderType: 'card', currency: 'ZAR', expectedMinor: 5998 },
      { tenderType: 'cash', currency: 'ZAR', expectedMinor: expectedCash },
    ]);
  });

  it('gives the same Z again, whatever the order of what was counted, and refuses other counts', async () => {
    const id = await opened(till);
    await sellSome();
    const first = await close(till, id, [
      { tenderType: 'cash', amountMinor: 10_000 },
      { tenderType: 'card', amountMinor: 1 },
      { tenderType: 'cash', amountMinor: 5996 },
    ]);
    const again = await close(till, id, [
      { tenderType: 'card', amountMinor: 1 },
      { tenderType: 'cash', amountMinor: 15_996 },
    ]);
    expect([again.status, again.headers['idempotent-replay']]).toEqual([200, 'true']);
    expect(again.data).toEqual(first.data);
    expect(codeOf(await close(till, id, [{ tenderType: 'card', amountMinor: 1 }]))).toEqual([409, 'shift-closed']);
    expect(codeOf(await close(till, v7()))).toEqual([404, 'not-found']);
  });

  it('never fails for what is odd: it lists it', async () => {
    const id = await opened(till, { floatMinor: 0 });
    await till.sell(
      milkSale({ occurredAt: '2016-01-01T00:00:00Z', tenders: [{ tenderNo: 1, type: 'card', amountMinor: 3998 }] }),
    );
    edge.clock.set(NOON - 3_600_000);
    const { status, data } = await close(await manager.device.signIn('MAX'), id, [
      { tenderType: 'cash', amountMinor: 0 },
    ]);
    expect(status).toBe(201);
    expect(data.exceptions).toEqual([
      'opened by ANNE, closed by MAX',
      'closed at till T2',
      'the clock says that it closed before it opened',
      'card was not declared',
      '1 sale flagged clock-skew',
    ]);
  });

  it('can be made whatever was sold: a sale of more units than a Z can add up is refused', async () => {
    await edge.product('BAG', { minor: 0 });
    const id = await opened(till);
    const lines = [1, 2].map((lineNo) => ({ lineNo, product: 'BAG', quantity: 1e9 }));
    expect(codeOf(await till.sell(milkSale({ lines, tenders: [] })))).toEqual([422, 'invalid-sale']);
    expect((await till.sell(milkSale({ lines: lines.slice(1), tenders: [] }))).status).toBe(201);
    expect((await close(till, id)).status).toBe(201);
  });

  it('numbers Zs per till and keeps the grand total over them', async () => {
    const zs: [number, number][] = [];
    for (let n = 0; n < 3; n += 1) {
      const id = await opened(till);
      await till.sell(milkSale());
      const { data } = await close(till, id);
      zs.push([data.zNumber, data.grandTotalMinor]);
    }
    expect(zs).toEqual([
      [1, 3998],
      [2, 7996],
      [3, 11_994],
    ]);
    expect((await close(manager, await opened(manager))).data.zNumber).toBe(1);
  });

  it('of a shift across the cut-off has each business date apart', async () => {
    const id = await opened(till);
    await till.sell(milkSale());
    edge.clock.set(Date.parse('2026-11-21T01:30:00Z'));
    till = await till.device.signIn('ANNE');
    await till.sell(milkSale());
    const { data } = await close(till, id);
    expect(
      data.byBusinessDate.map((day: { businessDate: string; totalMinor: number }) => [
        day.businessDate,
        day.totalMinor,
      ]),
    ).toEqual([
      ['2026-11-20', 3998],
      ['2026-11-21', 3998],
    ]);
    expect(data.totals.baskets).toBe(2);
  });
});

describe('sealing a day', () => {
  it('waits for every shift opened on or before it, naming them', async () => {
    const first = await opened(till);
    await till.sell(milkSale());
    const refused = await manager.post('/days/2026-11-20/seal');
    expect(codeOf(refused)).toEqual([409, 'shift-open']);
    expect(refused.data.detail).toContain(first);
    await close(till, first);
    edge.clock.set(NOON + 24 * 3_600_000);
    till = await till.device.signIn('ANNE');
    manager = await manager.device.signIn('MAX');
    await opened(till);
    const { status, data } = await manager.post('/days/2026-11-20/seal');
    expect(status).toBe(201);
    expect(data).toMatchObject({
      businessDate: '2026-11-20',
      operator: 'MAX',
      shifts: [{ id: first, zNumber: 1 }],
      figures: { baskets: 1, lines: 1, units: 2, totalMinor: 3998, netMinor: 3477, taxMinor: 521 },
    });
  });

  it('lists tills that still hold sales, where the one who seals says so', async () => {
    const { status, data } = await manager.post('/days/2026-11-20/seal', { tillsHolding: ['T2', 'T2'] });
    expect([status, data.tillsHolding]).toEqual([201, ['T2']]);
    expect(codeOf(await manager.post('/days/2026-11-20/seal', { tillsHolding: 'T2' }))).toEqual([400, 'invalid-field']);
    expect((await manager.post('/days/2026-11-20/seal')).data.tillsHolding).toEqual(['T2']);
  });

  it('is done once; earlier dates are covered, and open no shift any more', async () => {
    const first = await manager.post('/days/2026-11-20/seal');
    expect(first.status).toBe(201);
    for (const date of ['2026-11-20', '2026-11-18']) {
      const again = await manager.post(`/days/${date}/seal`);
      expect([again.status, again.headers['idempotent-replay']]).toEqual([200, 'true']);
      expect(again.data).toEqual(first.data);
    }
    expect(codeOf(await till.openShift())).toEqual([409, 'day-sealed']);
    await edge.operator('IMP', 'importer');
    const importer = await till.device.signIn('IMP');
    expect(codeOf(await importer.openShift({ occurredAt: '2026-11-01T12:00:00Z' }))).toEqual([409, 'day-sealed']);
  });

  it('is for those who may, for a real date that has begun', async () => {
    expect(codeOf(await till.post('/days/2026-11-20/seal'))).toEqual([403, 'forbidden']);
    expect(codeOf(await manager.post('/days/2026-11-21/seal'))).toEqual([400, 'invalid-field']);
    expect(codeOf(await manager.post('/days/2026-02-30/seal'))).toEqual([400, 'invalid-field']);
  });

  it('covers the shifts of all dates since the last seal, in what an importer hands in', async () => {
    await edge.operator('IMP', 'importer');
    const importer = await till.device.signIn('IMP');
    const shifts: string[] = [];
    for (const day of ['2017-03-01', '2017-03-02']) {
      const id = await opened(importer, { occurredAt: `${day}T10:00:00Z` });
      await importer.sell(importedSale({ occurredAt: `${day}T11:00:00Z` }));
      expect((await close(importer, id)).data.businessDate).toBe(day);
      shifts.push(id);
    }
    const { data } = await importer.post('/days/2017-03-02/seal');
    expect(data.shifts.map(({ id }: { id: string }) => id)).toEqual(shifts);
    expect(data.figures).toMatchObject({ baskets: 1, totalMinor: 850, discountMinor: 150, units: 3 });
  });
});
