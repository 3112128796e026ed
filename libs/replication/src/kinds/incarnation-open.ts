import { z } from 'zod';
import { code, hash, id, rawKey } from './fields.js';

/**
 * Line 1 of every incarnation: which history this is, whose, with which keys, and from which line of which other it
 * branched off (`previous`, recorded, never a reason to refuse).
 */
export const incarnationOpenSchema = z.looseObject({
  incarnation: id,
  tenant: id,
  branch: id,
  branchCode: code,
  box: id,
  signingKey: rawKey,
  sealingKey: rawKey,
  epoch: z.int().min(1),
  previous: z.looseObject({ incarnation: id, seq: z.int().min(0), hash }).nullable(),
  /** One of `INCARNATION_REASONS`, or of a version to come: recorded, and never a reason to refuse. */
  reason: z.string().regex(/^[a-z][a-z-]{0,39}$/),
});

/** `hub-ahead`, `till-ahead`: the hub, or a till, has seen lines that this file lacks · `box-changed`: the file came from another box. */
export const INCARNATION_REASONS = [
  'first',
  'witness-missing',
  'witness-ahead',
  'fork',
  'hub-ahead',
  'till-ahead',
  'box-changed',
] as const;
export type IncarnationReason = (typeof INCARNATION_REASONS)[number];

export type IncarnationOpen = z.infer<typeof incarnationOpenSchema>;
