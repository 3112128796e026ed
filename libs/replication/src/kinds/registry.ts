import type { z } from 'zod';
import { customerEditSchema } from './customer-edit.js';
import { daySealSchema } from './day-seal.js';
import { deviceEnrolSchema } from './device-enrol.js';
import { incarnationOpenSchema } from './incarnation-open.js';
import { saleSchema } from './sale.js';
import { shiftCloseSchema } from './shift-close.js';
import { shiftOpenSchema } from './shift-open.js';

/** Every kind of journal line of this contract. A kind that is not here is held at the hub until an upgrade knows it. */
export const JOURNAL_KINDS = {
  'incarnation-open': incarnationOpenSchema,
  'device-enrol': deviceEnrolSchema,
  'shift-open': shiftOpenSchema,
  sale: saleSchema,
  'shift-close': shiftCloseSchema,
  'day-seal': daySealSchema,
  'customer-edit': customerEditSchema,
} as const;

export type JournalKind = keyof typeof JOURNAL_KINDS;
export type JournalBody<K extends JournalKind> = z.infer<(typeof JOURNAL_KINDS)[K]>;

export function isJournalKind(kind: string): kind is JournalKind {
  return Object.hasOwn(JOURNAL_KINDS, kind);
}
