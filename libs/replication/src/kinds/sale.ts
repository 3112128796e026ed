import { z } from 'zod';
import { businessDate, code, currency, hash, id, instantMs, minor, price, productCode } from './fields.js';

/**
 * A completed sale with its lines and tenders. Stock movements follow from the lines (`movementsOfSale`), cash entries
 * from the tenders; both are written by the same `applyLine`. `soldAt` is the moment that counts: the edge's own time, or
 * `occurredAt` of an imported sale; `businessDate` was bound when the sale was made.
 * Amounts: see `domain/sale.ts`. Quantities in thousandths.
 */
export const saleLineSchema = z.looseObject({
  lineNo: z.int().min(1),
  product: productCode,
  name: z.string().max(200),
  barcode: z.string().max(64).optional(),
  quantityMilli: z.int(),
  price,
  priceSource: z.enum(['book', 'external']),
  priceEntry: z.string().max(150).optional(),
  amountMinor: minor,
  modifiers: z.array(z.looseObject({ kind: z.string().min(1).max(40), amountMinor: minor })),
  information: z.array(z.looseObject({ kind: z.string().min(1).max(40), amountMinor: minor })).optional(),
  netMinor: minor,
  taxMinor: minor,
  totalMinor: minor,
  taxes: z.array(z.looseObject({ code: z.string().min(1).max(20), ratePpm: z.int().min(0), amountMinor: minor })),
});

export const saleTenderSchema = z.looseObject({
  tenderNo: z.int().min(1),
  type: z.string().min(1).max(20),
  amountMinor: minor,
  cashBackMinor: minor.optional(),
  card: z.looseObject({}).optional(),
});

export const saleSchema = z.looseObject({
  id,
  receiptNumber: z.string().min(1).max(64),
  /** Number within till and epoch; absent where the receipt number is the device's own reference. */
  receiptNo: z.int().min(1).optional(),
  epoch: z.int().min(1),
  deviceReference: z.string().max(64).optional(),
  till: code,
  operator: z.string().min(1).max(64),
  shift: id.nullable(),
  businessDate,
  occurredAt: instantMs,
  soldAt: instantMs,
  source: z.enum(['live', 'import', 'away']),
  customerId: z.string().max(64).optional(),
  location: z
    .looseObject({
      latitude: z.number(),
      longitude: z.number(),
      accuracyM: z.number().optional(),
      source: z.string().max(20).optional(),
    })
    .optional(),
  currency,
  lines: z.array(saleLineSchema).min(1),
  tenders: z.array(saleTenderSchema),
  amountMinor: minor,
  discountMinor: minor,
  netMinor: minor,
  taxMinor: minor,
  totalMinor: minor,
  cashRoundingMinor: minor,
  changeMinor: minor.min(0),
  flags: z.array(z.string().max(40)),
  /** Another sale that bears the same reference of the same device. */
  duplicateOf: id.optional(),
  /**
   * A post-void: it takes a completed sale back entirely, each amount exactly minus its own, under a number of a series of
   * its own. `contentHash`: of the sale as it is taken back. Where the sale stands with other content, it is that content
   * which is taken back there: what is left of it is nothing either way.
   */
  reverses: z.looseObject({ sale: id, contentHash: hash }).optional(),
  /** The conflict at head office that this sale was written to settle. */
  conflict: id.optional(),
});

/** −1 for a sale that takes another back: its basket and lines are taken back too, and sums read as if neither had been. */
export function signOfSale({ reverses }: Pick<z.infer<typeof saleSchema>, 'reverses'>): 1 | -1 {
  return reverses === undefined ? 1 : -1;
}

export type SaleBody = z.infer<typeof saleSchema>;
export type SaleBodyLine = z.infer<typeof saleLineSchema>;
export type SaleBodyTender = z.infer<typeof saleTenderSchema>;
