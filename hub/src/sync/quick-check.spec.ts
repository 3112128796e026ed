import { describe, expect, it } from '@jest/globals';
import { JOURNAL_KINDS } from '@branchline/replication/kinds/registry.js';
import { lineSchema } from '@branchline/replication/line.js';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { quickCheck } from './quick-check.js';

const ID = '0193e2a0-0000-7000-8000-00000000000a';
const SALE = {
  id: ID,
  receiptNumber: 'B001-T1-1-000001',
  receiptNo: 1,
  epoch: 1,
  till: 'T1',
  operator: 'anna',
  shift: null,
  businessDate: '2026-11-20',
  occurredAt: 1_700_000_000_000,
  soldAt: 1_700_000_000_000,
  source: 'live',
  location: { latitude: -33.9, longitude: 18.4 },
  currency: 'ZAR',
  lines: [
    {
      lineNo: 1,
      product: 'MILK-1L',
      name: 'Milk',
      quantityMilli: 1000,
      price: { minor: 1999, per: 1 },
      priceSource: 'book',
      amountMinor: 1999,
      modifiers: [{ kind: 'loyalty', amountMinor: -100 }],
      information: [{ kind: 'manufacturer-coupon', amountMinor: 50 }],
      netMinor: 1651,
      taxMinor: 248,
      totalMinor: 1899,
      taxes: [{ code: 'VAT15', ratePpm: 150_000, amountMinor: 248 }],
    },
  ],
  tenders: [{ tenderNo: 1, type: 'card', amountMinor: 1899, cashBackMinor: 0, card: { scheme: 'VISA' } }],
  amountMinor: 1999,
  discountMinor: 100,
  netMinor: 1651,
  taxMinor: 248,
  totalMinor: 1899,
  cashRoundingMinor: 0,
  changeMinor: 0,
  flags: ['late'],
  ofALaterEdge: { kept: [1, null] },
};
const LINE = {
  seq: 7,
  kind: 'sale',
  key: ID,
  refs: [`shift:${ID}`],
  contract: 1,
  at: 1_700_000_000_000,
  hlc: '018bcfe56800-0000',
  actor: 'anna',
  device: ID,
  contentHash: '0'.repeat(64),
  body: { any: 'thing' },
};

/** All places in a JSON value, as paths. */
function placesIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const inside = Object.entries(value).flatMap(([name, member]) => placesIn(member, [...path, name]));
  return [path, ...inside];
}

function withOther(value: unknown, [name, ...rest]: readonly (string | number)[], other: unknown): unknown {
  if (name === undefined) return other;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<string, unknown>;
  copy[name] = withOther(copy[name], rest, other);
  return copy;
}

const anyOther = fc.oneof(
  fc.jsonValue(),
  fc.constant(JSON.parse('{"__proto__": {}}')),
  fc.constantFrom(-1, 0, 0.5, 1, 2 ** 53, -(2 ** 53), 253_402_300_799_999, 253_402_300_800_000, Infinity),
  fc.constantFrom('', 'A', 'zar', 'live', '2026-02-29', '2026-13-01', 'x'.repeat(41), 'x'.repeat(201), undefined),
);

describe('the quick check', () => {
  it.each<[string, z.ZodType, unknown]>([
    ['a sale', JOURNAL_KINDS.sale, SALE],
    ['a line', lineSchema, LINE],
  ])('takes %s, and of what is changed in it just what zod takes as it is', (_what, schema, valid) => {
    const check = quickCheck(schema);
    expect(check(valid)).toBe(true);
    const changed = fc.tuple(fc.constantFrom(...placesIn(valid)), anyOther).map(([at, to]) => withOther(valid, at, to));
    fc.assert(
      fc.property(changed, (value) => {
        const judged = schema.safeParse(value);
        expect(check(value)).toBe(judged.success && isDeepStrictEqual(judged.data, value));
      }),
      { numRuns: 3_000 },
    );
  });

  it.each<[string, z.ZodType]>([
    ['an object that drops what it does not know', z.object({ a: z.string() })],
    ['what is changed on the way', z.looseObject({ a: z.string().trim() })],
    ['a default', z.looseObject({ a: z.string().default('x') })],
    ['a rule of its own', z.string().refine((text) => text !== 'x')],
    ['another format', z.looseObject({ a: z.url() })],
    ['a number in 32 bits', z.int32()],
  ])('is not made for %s', (_what, schema) => {
    expect(() => quickCheck(schema)).toThrow();
  });
});
