import { z } from 'zod';

/** Fields that many schemas share. `schema.ts` says how they reach a route. */

/** Lower case only: ids are compared as text, and one id in two spellings would be two. */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'expected a UUID in lower case')
  .meta({ format: 'uuid' });

/** Branch, till, drawer, operator codes: they become part of receipt numbers. */
export const code = z.string().regex(/^[A-Z0-9]{1,12}$/, 'expected 1 to 12 of A-Z and 0-9');

/** `YYYY-MM-DD`, a day that exists. */
export const businessDate = z.iso.date();

/** ISO 8601 in UTC, ending in `Z`; stays a string. */
export const instant = z.iso.datetime();

/** Money in minor units: a safe integer. */
export const minor = z.int();

const QUANTITY_MAX = 1e9;

/** At most three decimals. Dividing back is exact where multiplying is not: 0.456 * 1000 is 456.00000000000006. */
export const quantity = z
  .number()
  .min(-QUANTITY_MAX)
  .max(QUANTITY_MAX)
  .refine((value) => Math.round(value * 1000) / 1000 === value, 'expected at most three decimals');

/** One line of text for people: no control characters, no half surrogate pairs, not empty. */
export function text(lengthMax: number) {
  return z
    .string()
    .min(1)
    .max(lengthMax)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters');
}

/** A whole number in a query string. `z.coerce` would read '' as 0 and ' 7' as 7. */
export function queryInt(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,16}$/, 'expected a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max));
}

export const queryBool = z.enum(['true', 'false']).transform((value) => value === 'true');

/** `a,b,c` in a query string, each checked, at most `countMax`. */
export function queryList<S extends z.ZodType<unknown, string>>(item: S, countMax: number) {
  return z
    .string()
    .min(1)
    .max(4_000)
    .transform((value) => value.split(','))
    .pipe(z.array(item).max(countMax));
}
