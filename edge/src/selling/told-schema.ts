import { instant, text } from '@branchline/http/fields.js';
import { saleLineSchema, saleSchema } from '@branchline/replication/kinds/sale.js';
import { z } from 'zod';
import { amount, cardless, PARTS_OF_LINE_MAX } from './sale-fields.js';

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

const parts = z.array(z.looseObject({ kind: cardless(40), amountMinor: amount })).max(PARTS_OF_LINE_MAX);
const FLAGS_MAX = 50;

/**
 * The answer that an edge gave to a live sale, as the till kept it (`sale-answer.ts`). Loose: an edge of another version
 * may have said more. What is text was a code or came from the till; what no edge lets in, no edge has answered. Tenders, place, customer and reference are taken from the request.
 */
export const toldSchema = z.looseObject({
  ...saleFields,
  /** Quantities are decimal in an answer. */
  lines: z
    .array(
      z.looseObject({
        ...lineFields,
        quantity: z.number(),
        name: text(200),
        barcode: text(64).optional(),
        priceEntry: text(150).optional(),
        modifiers: parts,
        information: parts.optional(),
        taxes: z
          .array(z.looseObject({ code: cardless(20), ratePpm: z.int().min(0), amountMinor: amount }))
          .max(PARTS_OF_LINE_MAX),
      }),
    )
    .min(1)
    .max(1_000),
  operator: text(64),
  flags: z.array(cardless(40)).max(FLAGS_MAX),
  occurredAt: instant,
  soldAt: instant,
  source: z.literal('live'),
});
export type ToldSale = z.output<typeof toldSchema>;
