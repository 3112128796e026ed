import { instant, quantity, text, uuid } from '@branchline/http/fields.js';
import { DEVICE_REFERENCE_PATTERN } from '@branchline/domain/receipt-number.js';
import { z } from 'zod';
import { amount, AMOUNT_MINOR_MAX, cardless, PARTS_OF_LINE_MAX } from './sale-fields.js';
import { toldSchema } from './told-schema.js';

export const SALE_LINES_MAX = 1_000;
const TENDERS_MAX = 50;

const amountFromZero = z.int().min(0).max(AMOUNT_MINOR_MAX);
const aboveZero = quantity.refine((value) => value > 0, 'expected more than nothing');
const number = z.int().min(1).max(1_000_000);
const part = z.strictObject({ kind: cardless(40), amountMinor: amount });

const line = z
  .strictObject({
    lineNo: number,
    product: text(64).optional(),
    barcode: text(64).optional(),
    quantity: aboveZero,
    price: z.strictObject({ minor: amountFromZero, per: aboveZero }).optional(),
    priceSource: z.enum(['book', 'external']).optional(),
    modifiers: z.array(part).max(PARTS_OF_LINE_MAX).optional(),
    information: z.array(part).max(PARTS_OF_LINE_MAX).optional(),
  })
  .refine((given) => given.product !== undefined || given.barcode !== undefined, 'expected a product or a barcode')
  .refine((given) => given.priceSource !== 'external' || given.price !== undefined, 'an external price is to be sent');

const tender = z.strictObject({
  tenderNo: number,
  type: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'expected a type of tender in lower case'),
  amountMinor: amountFromZero,
  cashBackMinor: amountFromZero.optional(),
  card: z
    .strictObject({
      scheme: cardless(20),
      maskedPan: cardless(25),
      authCode: cardless(20),
      rrn: cardless(20),
      terminalId: cardless(20),
      token: cardless(100),
    })
    .partial()
    .optional(),
});

const location = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  accuracyM: z.number().min(0).max(1e7).optional(),
  source: cardless(20).optional(),
});

const fields = {
  id: uuid,
  occurredAt: instant.optional(),
  customerId: text(64).optional(),
  location: location.optional(),
  lines: z.array(line).min(1).max(SALE_LINES_MAX),
  tenders: z.array(tender).max(TENDERS_MAX),
  expectedTotalMinor: amount.optional(),
};

/** `POST /v1/sales`: what a till proposes, or an importer hands in. */
export const saleInput = z.strictObject({
  ...fields,
  deviceReference: z
    .string()
    .regex(/^[A-Z0-9][A-Z0-9-]{0,63}$/, 'expected a device reference like T1-20261120-000017')
    .optional(),
});

/**
 * A sale that a till finished while away from the edge. Its reference is the number that was printed, so it must have the
 * shape that no number of the edge's own can have. `operator` says who sold: the device's token says only where.
 * Totals and tenders are what happened, whether they add up or not.
 */
export const finishedSaleInput = z.strictObject({
  kind: z.literal('sale'),
  ...fields,
  deviceReference: z.string().regex(DEVICE_REFERENCE_PATTERN, 'expected DEVICE-YYYYMMDD-SEQ'),
  receiptNumber: text(64).optional(),
  operator: text(64).optional(),
});

/**
 * A sale that an edge had answered, offered again because this one has it not: the request as it was, and `told`, the
 * answer as the till kept it.
 */
export const toldSaleInput = z.strictObject({
  kind: z.literal('sale'),
  ...saleInput.shape,
  told: toldSchema,
});

export type SaleInput = z.output<typeof saleInput>;
export type FinishedSaleInput = z.output<typeof finishedSaleInput>;
export type ToldSaleInput = z.output<typeof toldSaleInput>;
export type SaleInputLine = SaleInput['lines'][number];
