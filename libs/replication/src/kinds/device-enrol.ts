import { z } from 'zod';
import { code, hash, id } from './fields.js';

/** A till's browser got its device token; the token itself is kept only as SHA-256. */
export const deviceEnrolSchema = z.looseObject({
  device: id,
  name: z.string().min(1).max(100),
  till: code,
  codeHash: hash,
  tokenHash: hash,
});

export type DeviceEnrol = z.infer<typeof deviceEnrolSchema>;
