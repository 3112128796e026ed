import { z } from 'zod';

/** Fields that several kinds share. Journal bodies are loose: what a newer edge adds is kept, never refused. */
export const id = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
export const code = z.string().regex(/^[A-Z0-9]{1,12}$/);
export const productCode = z.string().min(1).max(64);
export const minor = z.int();
export const instantMs = z.int().min(0).max(253_402_300_799_999);
export const businessDate = z.iso.date();
export const currency = z.string().regex(/^[A-Z]{3}$/);
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
export const rawKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
export const price = z.looseObject({ minor, per: z.number().positive() });
