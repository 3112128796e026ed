import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { EdgeHarness, milkSale, type TestTill } from './edge-harness.js';

let edge: EdgeHarness;
let till: TestTill;

beforeEach(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.product('MILK', { minor: 1999, barcodes: ['6001240100035'] });
  await edge.product('CHEESE', { minor: 15_000, fractional: true });
  await edge.operator('ANNE', 'cashier');
  till = await edge.till('T1', 'ANNE');
});
afterEach(() => edge.close());

const codeOf = ({ status, data }: { status: number; data: { code?: string } }): [number, string | undefined] => [
  status,
  data.code,
];
const count = (table: string): number =>
  edge.store.reads.get<{ n: number }>(`SELECT count(*) AS n FROM ${table}`)?.n ?? 0;

describe('a batch of finished sales', () => {
  const finished = (changes: object = {}) => ({
    kind: 'sale',
    deviceReference: 'T1-20261119-000042',
    occurredAt: '2026-11-19T15:00:00.000Z',
    operator: 'ANNE',
    ...milkSale(),
    ...changes,
  });

  it("keeps the printed number and the day it was sold on, without an operator's token or an open shift", async () => {
    const item = finished();
    const { status, data } = await till.device.batch([item]);
    expect(status).toBe(200);
    expect(data.results).toEqual([{ id: item.id, status: 'accepted', receiptNumber: 'T1-20261119-000042' }]);
    const { data: sale } = await till.get(`/sales/${item.id}`);
    expect(sale).toMatchObject({
      source: 'away',
      receiptNumber: 'T1-20261119-000042',
      businessDate: '2026-11-19',
      shift: null,
      flags: ['no-open-shift'],
      operator: 'ANNE',
    });
    await till.openShift();
    expect((await till.sell(milkSale())).data.receiptNumber).toBe('B001-T1-1-000001');
  });

  it.each([
    [
      'an unknown product',
      { lines: [{ lineNo: 1, product: 'NOPE', quantity: 2, price: { minor: 2000, per: 1 } }] },
      ['no-price', 'unknown-product'],
    ],
    [
      'a changed price',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 2, price: { minor: 2000, per: 1 } }] },
      ['price-differs'],
    ],
    ['a departed cashier', { operator: 'BOB' }, ['unknown-operator']],
    ['a total that differs', { expectedTotalMinor: 4100 }, ['total-differs']],
    ['too little paid', { tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 3000 }] }, ['tenders-unbalanced']],
    ['too much paid by card', { tenders: [{ tenderNo: 1, type: 'card', amountMinor: 5000 }] }, ['tenders-unbalanced']],
    [
      'a reduction of its own',
      { lines: [{ lineNo: 1, product: 'MILK', quantity: 2, modifiers: [{ kind: 'manager', amountMinor: -100 }] }] },
      ['unapproved-modifier'],
    ],
    ['a time still to come', { occurredAt: '2036-11-20T00:00:00.000Z' }, ['clock-skew']],
  ])('accepts %s and flags it', async (_what, changes, flags) => {
    await till.openShift();
    const item = finished(changes);
    const { data } = await till.device.batch([item]);
    expect(data.results[0]).toMatchObject({ status: 'accepted' });
    const { data: sale } = await till.get(`/sales/${item.id}`);
    expect(sale.flags).toEqual(flags);
    const paid = sale.tenders.reduce((sum: number, tender: { amountMinor: number }) => sum + tender.amountMinor, 0);
    expect(paid - sale.changeMinor).toBe(sale.totalMinor + sale.cashRoundingMinor);
  });

  it('refuses what is malformed, each item on its own, and the rest goes through', async () => {
    const good = [finished(), finished({ deviceReference: 'T1-20261119-000043' })];
    const { data } = await till.device.batch([
      good[0] as object,
      finished({ lines: [] }),
      finished({ surprise: 1 }),
      finished({ deviceReference: 'B001-T1-1-000001' }),
      { kind: 'payment', id: v7() },
      { kind: 'nothing' },
      good[1] as object,
    ]);
    expect(data.results.map(({ status, code }: { status: string; code?: string }) => [status, code])).toEqual([
      ['accepted', undefined],
      ['refused', 'invalid-field'],
      ['refused', 'unknown-field'],
      ['refused', 'invalid-field'],
      ['refused', 'kind-not-supported'],
      ['refused', expect.any(String)],
      ['accepted', undefined],
    ]);
    expect(count('sale')).toBe(2);
  });

  it('knows its own items again, and a live sale whose reply the till lost', async () => {
    await till.openShift();
    const item = finished();
    await till.device.batch([item]);
    const live = milkSale({ deviceReference: 'T1-20261120-000001' });
    const { data } = await till.sell(live);
    const again = await till.device.batch([
      { ...item, receiptNumber: 'T1-20261119-000042' },
      { kind: 'sale', operator: 'ANNE', ...live },
      { ...item, expectedTotalMinor: 1 },
    ]);
    expect(again.data.results).toMatchObject([
      { status: 'replayed', receiptNumber: 'T1-20261119-000042' },
      { status: 'replayed', receiptNumber: data.receiptNumber },
      { status: 'refused', code: 'same-id-other-content' },
    ]);
    expect(count('sale')).toBe(2);
  });

  it("is for the device's own till, and for no operator", async () => {
    expect(codeOf(await till.device.batch([finished()], { till: 'T2' }))).toEqual([403, 'not-yours']);
    expect(codeOf(await till.device.batch([finished()], { device: v7() }))).toEqual([403, 'not-yours']);
    const body = { device: till.device.deviceId, items: [finished()] };
    expect(codeOf(await till.post('/tills/T1/batch', body))).toEqual([401, 'unauthenticated']);
  });
});

describe('a sale that an edge had answered and this one has not', () => {
  const offered = (request: { id: string }, answer: Record<string, unknown>, changes: object = {}) => ({
    kind: 'sale',
    ...request,
    told: { ...answer, ...changes },
  });

  /** As it is after the file was set back: the counter and the sale are gone. */
  const soldAndForgotten = async () => {
    await till.openShift();
    const request = milkSale();
    const { data: answer } = await till.sell(request);
    await edge.close();
    edge = await EdgeHarness.start();
    await edge.settings();
    await edge.product('MILK', { minor: 2499 });
    await edge.operator('ANNE', 'cashier');
    till = await edge.till('T1', 'ANNE');
    return { request, answer };
  };

  it('is taken with its number, day, prices and totals, whatever the book says by now, and once', async () => {
    const { request, answer } = await soldAndForgotten();
    const first = await till.device.batch([offered(request, answer)]);
    expect(first.data.results).toEqual([{ id: request.id, status: 'accepted', receiptNumber: 'B001-T1-1-000001' }]);
    const { data: sale } = await till.get(`/sales/${request.id}`);
    const { journal: _journal, recordedAt: _recordedAt, flags: _flags, ...told } = answer;
    expect(sale).toMatchObject({ ...told, flags: ['offered-again'] });
    const again = await till.device.batch([offered(request, answer)]);
    expect(again.data.results[0]).toMatchObject({ status: 'replayed' });
    expect(count('sale')).toBe(1);
  });

  it('is the same sale to an edge that still has it, by either route', async () => {
    await till.openShift();
    const request = milkSale();
    const { data: answer } = await till.sell(request);
    const { data } = await till.device.batch([offered(request, answer)]);
    expect(data.results[0]).toMatchObject({ status: 'replayed', receiptNumber: answer.receiptNumber });
  });

  it('takes its number from the till’s series, so that no other customer gets it', async () => {
    const { request, answer } = await soldAndForgotten();
    await till.device.batch([offered(request, answer)]);
    await till.openShift();
    const dearer = milkSale({ tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 5_000 }] });
    expect((await till.sell(dearer)).data.receiptNumber).toBe('B001-T1-1-000002');
  });

  it.each([
    ['another total', { totalMinor: 1 }],
    ['another receipt number', { receiptNumber: 'B001-T2-1-000001' }],
    ['the number of another branch', { receiptNumber: 'B002-T1-1-000001' }],
    ['a number that no till comes to', { receiptNumber: 'B001-T1-1-999999999' }],
    ['a number of an epoch that no store comes to', { receiptNumber: 'B001-T1-999999999-000001' }],
    ['a card number in a flag', { flags: ['4111 1111 1111 1111'] }],
    ['a control character in a flag', { flags: ['\u001b@'] }],
    ['the number of a till that is no code', { receiptNumber: 'B001-T1\n-1-000001' }],
    ['no receipt number at all', { receiptNumber: 'ANYTHING' }],
    ['another id', { id: v7() }],
    ['lines of another sale', { lines: [] }],
  ])('is refused with %s: no edge has said that', async (_what, changes) => {
    const { request, answer } = await soldAndForgotten();
    const { data } = await till.device.batch([offered(request, answer, changes)]);
    expect(data.results[0]).toMatchObject({ id: request.id, status: 'refused' });
    expect(count('sale')).toBe(0);
    await till.openShift();
    const dearer = milkSale({ tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 5_000 }] });
    expect((await till.sell(dearer)).data).toMatchObject({ receiptNumber: 'B001-T1-1-000001' });
  });

  it('is refused with more change than cash was given: what cannot be taken back as it stands was never sold', async () => {
    const { request, answer } = await soldAndForgotten();
    const { changeMinor, cashRoundingMinor } = answer as { changeMinor: number; cashRoundingMinor: number };
    const forged = { changeMinor: changeMinor + 100_000, cashRoundingMinor: cashRoundingMinor - 100_000 };
    const { data } = await till.device.batch([offered(request, answer, forged)]);
    expect(data.results[0]).toMatchObject({ id: request.id, status: 'refused', code: 'invalid-sale' });
  });
});
