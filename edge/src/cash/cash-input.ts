import { businessDate, code, instant, uuid } from '@branchline/http/fields.js';
import { z } from 'zod';

const AMOUNT_MINOR_MAX = 10_000_000_000_000;
const DECLARED_MAX = 50;

export const shiftInput = z.strictObject({
  id: uuid,
  drawer: code,
  floatMinor: z.int().min(0).max(AMOUNT_MINOR_MAX),
  /** When an imported shift began. */
  occurredAt: instant.optional(),
});
export type ShiftInput = z.output<typeof shiftInput>;

export const closeInput = z.strictObject({
  declared: z
    .array(
      z.strictObject({
        tenderType: z.string().regex(/^[a-z][a-z0-9-]{0,19}$/, 'expected a type of tender in lower case'),
        amountMinor: z.int().min(-AMOUNT_MINOR_MAX).max(AMOUNT_MINOR_MAX),
      }),
    )
    .max(DECLARED_MAX),
});
export type CloseInput = z.output<typeof closeInput>;

/** Tills that are known to hold sales which have not come to the edge. Absent or none: nobody is known to. */
export const sealInput = z.strictObject({ tillsHolding: z.array(code).max(100).default([]) });
export type SealInput = z.output<typeof sealInput>;

export const dayParam = businessDate;
