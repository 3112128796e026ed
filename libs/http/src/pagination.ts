import { z } from 'zod';
import { queryInt } from './fields.js';
import { problem } from './problem.js';

export const PAGE_LIMIT_MAX = 500;
const PAGE_LIMIT_DEFAULT = 50;
const CURSOR_CHARACTERS_MAX = 1_000;

/** `?limit&after`; spread it into the query schema of a list: `z.strictObject({ ...pageQuery, state: … })`. */
export const pageQuery = {
  limit: queryInt(1, PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
  after: z.string().min(1).max(CURSOR_CHARACTERS_MAX).optional(),
};

/** `next` is handed back as `after`; null on the last page. */
export type Page<Item> = { items: Item[]; next: string | null };

/** @param keys the sort key of the last item shown, unique as a whole */
export function encodeCursor(keys: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(keys), 'utf8').toString('base64url');
}

/**
 * @param schema a `z.tuple` of the sort key: a cursor comes from outside and is not to be trusted
 * @throws Problem `invalid-field` at `after`
 */
export function decodeCursor<S extends z.ZodType>(schema: S, after: string): z.output<S> {
  const result = schema.safeParse(parsedOrUndefined(after));
  if (result.success) return result.data;
  throw problem('invalid-field', 'after: not a cursor of this list', {
    errors: [{ path: 'after', code: 'invalid-cursor', message: 'not a cursor of this list' }],
  });
}

function parsedOrUndefined(after: string): unknown {
  try {
    return JSON.parse(Buffer.from(after, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Ask the store for `limit + 1` rows and hand them all in: the extra one says that there is a next page.
 */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  keysOf: (row: Row) => readonly (string | number)[],
  toItem: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(toItem),
    next: rows.length > limit && last !== undefined ? encodeCursor(keysOf(last)) : null,
  };
}
