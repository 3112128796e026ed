import { z } from 'zod';
import { businessDate, code, currency, id, instantMs, minor } from './fields.js';

/** Cash accountability of one drawer begins. */
export const shiftOpenSchema = z.looseObject({
  id,
  till: code,
  drawer: code,
  operator: z.string().min(1).max(64),
  floatMinor: minor.min(0),
  currency,
  openedAt: instantMs,
  businessDate,
});

export type ShiftOpen = z.infer<typeof shiftOpenSchema>;
