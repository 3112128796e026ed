import type { NewLine } from './second-client-types.js';

const DATE = '2026-11-21';
const TILL = { till: 'T1', operator: 'OP1' };
const AMOUNTS = { amountMinor: 2_300, discountMinor: 0, netMinor: 2_000, taxMinor: 300, totalMinor: 2_300 };

export function opening(shift: string, atMs: number): NewLine {
  const body = { id: shift, ...TILL, drawer: 'D1', floatMinor: 0, currency: 'ZAR', openedAt: atMs, businessDate: DATE };
  return { kind: 'shift-open', key: shift, at: atMs, body };
}

type Sold = { id: string; no: number; epoch: number; shift: string | null; atMs: number };

/** Two of a product at 11.50, 15 % tax included, paid in cash. */
export function sale({ id, no, epoch, shift, atMs }: Sold): NewLine {
  const { discountMinor: _discount, ...amounts } = AMOUNTS;
  const line = { lineNo: 1, product: 'P1', name: 'Product 1', quantityMilli: 2_000, price: { minor: 1_150, per: 1 } };
  const taxes = [{ code: 'VAT15', ratePpm: 150_000, amountMinor: 300 }];
  const body = {
    ...{ id, receiptNumber: `B-T1-${epoch}-${no}`, receiptNo: no, epoch, ...TILL, shift, businessDate: DATE },
    ...{ occurredAt: atMs, soldAt: atMs, source: 'live', currency: 'ZAR' },
    lines: [{ ...line, priceSource: 'book', modifiers: [], ...amounts, taxes }],
    tenders: [{ tenderNo: 1, type: 'cash', amountMinor: 2_300 }],
    ...{ ...AMOUNTS, cashRoundingMinor: 0, changeMinor: 0, flags: [] },
  };
  return { kind: 'sale', key: id, at: atMs, refs: shift === null ? [] : [`shift:${shift}`], body };
}

/** A sale that takes `taken` back. */
export function reversed(
  taken: NewLine,
  { id, contentHash, atMs }: { id: string; contentHash: string; atMs: number },
): NewLine {
  const minus = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(minus);
    if (value === null || typeof value !== 'object') return value;
    const isPlain = (name: string) => name === 'price' || !/Minor$|^quantityMilli$/.test(name);
    const entries = Object.entries(value).map(([name, part]) => {
      if (typeof part === 'number' && !isPlain(name)) return [name, 0 - part];
      return [name, name === 'price' ? part : minus(part)];
    });
    return Object.fromEntries(entries) as unknown;
  };
  const { receiptNo: _number, ...body } = minus(taken.body) as Record<string, unknown>;
  const reverses = { sale: taken.key, contentHash };
  const refs = [...(taken.refs ?? []), `sale:${taken.key}`];
  return {
    kind: 'sale',
    key: id,
    at: atMs,
    refs,
    body: { ...body, id, receiptNumber: `R-${id}`, soldAt: atMs, reverses },
  };
}

/** The Z and the seal of a shift with so many sales. */
export function closing(shift: string, sales: number, atMs: number): NewLine[] {
  const sums = Object.fromEntries(Object.entries(AMOUNTS).map(([name, minor]) => [name, minor * sales]));
  const figures = { businessDate: DATE, baskets: sales, lines: sales, unitsMilli: sales * 2_000, ...sums };
  const expectedMinor = AMOUNTS.totalMinor * sales;
  const cash = { tenderType: 'cash', currency: 'ZAR', expectedMinor, declaredMinor: null, differenceMinor: null };
  const z = {
    ...{ id: shift, zNumber: 1, ...TILL, drawer: 'D1', openedAt: atMs, closedAt: atMs, businessDate: DATE },
    ...{ currency: 'ZAR', floatMinor: 0, byBusinessDate: [figures], tenders: [cash] },
    ...{ grandTotalMinor: expectedMinor, exceptions: [] },
  };
  const seal = { businessDate: DATE, operator: 'OP1', sealedAt: atMs, shifts: [{ id: shift, zNumber: 1 }], figures };
  const refs = [`shift:${shift}`];
  return [
    { kind: 'shift-close', key: shift, at: atMs, refs, body: z },
    { kind: 'day-seal', key: DATE, at: atMs, refs, body: { ...seal, tillsHolding: [] } },
  ];
}
