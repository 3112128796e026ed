import { z } from 'zod';
import { businessDate, id, instantMs } from './fields.js';
import { dayFiguresSchema } from './shift-close.js';

/** All shifts opened on or before the date are closed; it and every earlier date are complete. */
export const daySealSchema = z.looseObject({
  businessDate,
  operator: z.string().min(1).max(64),
  sealedAt: instantMs,
  shifts: z.array(z.looseObject({ id, zNumber: z.int().min(1) })),
  figures: dayFiguresSchema,
  /** Tills that still hold sales of their own, as far as the one who seals knows: until a later seal lists none, no date is final. */
  tillsHolding: z.array(z.string().min(1).max(12)).max(100).optional(),
});

export type DaySeal = z.infer<typeof daySealSchema>;
