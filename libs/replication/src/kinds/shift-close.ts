import { z } from 'zod';
import { businessDate, code, currency, id, instantMs, minor } from './fields.js';

/** Sums of one business date, with the columns of the sales report; `units` in thousandths. */
export const dayFiguresSchema = z.looseObject({
  businessDate,
  baskets: z.int(),
  lines: z.int(),
  unitsMilli: z.int(),
  amountMinor: minor,
  discountMinor: minor,
  netMinor: minor,
  taxMinor: minor,
  totalMinor: minor,
});

/** The Z report of a shift: closing, sealed, numbered without gaps per till. */
export const shiftCloseSchema = z.looseObject({
  id,
  zNumber: z.int().min(1),
  till: code,
  drawer: code,
  operator: z.string().min(1).max(64),
  openedAt: instantMs,
  closedAt: instantMs,
  /** The business date the shift was opened on. */
  businessDate,
  currency,
  floatMinor: minor,
  byBusinessDate: z.array(dayFiguresSchema),
  tenders: z.array(
    z.looseObject({
      tenderType: z.string().min(1).max(20),
      currency,
      expectedMinor: minor,
      declaredMinor: minor.nullable(),
      differenceMinor: minor.nullable(),
    }),
  ),
  /** Σ totals of all sales of this till since its first, never reset. */
  grandTotalMinor: minor,
  exceptions: z.array(z.string().max(200)),
});

export type ShiftClose = z.infer<typeof shiftCloseSchema>;
export type DayFigures = z.infer<typeof dayFiguresSchema>;
