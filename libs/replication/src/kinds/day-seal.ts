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
});

export type DaySeal = z.infer<typeof daySealSchema>;
