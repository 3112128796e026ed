import { instant, text } from '@branchline/http/fields.js';
import { saleLineSchema, saleSchema } from '@branchline/replication/kinds/sale.js';
import { z } from 'zod';

const { quantityMilli: _milli, ...lineFields } = saleLineSchema.shape;
const {
  epoch: _epoch,
  receiptNo: _receiptNo,
  tenders: _tenders,
  location: _location,
  customerId: _customerId,
  deviceReference: _reference,
  ...saleFields
} = saleSchema.shape;

/**
 * The answer that an edge gave to a live sale, as the till kept it (`sale-answer.ts`). Loose: an edge of another version
 * may have said more. Tenders, place, customer and reference are taken from the request.
 */
export const toldSchema = z.looseObject({
  ...saleFields,
  /** Quantities are decimal in an answer. */
  lines: z
    .array(z.looseObject({ ...lineFields, quantity: z.number(), name: text(200) }))
    .min(1)
    .max(1_000),
  occurredAt: instant,
  soldAt: instant,
  source: z.literal('live'),
});
export type ToldSale = z.output<typeof toldSchema>;
