import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { decodeCursor, encodeCursor, pageOf } from './pagination.js';

const rows = Array.from({ length: 7 }, (_, at) => ({ at, id: `é${at}` }));
const key = z.tuple([z.int(), z.string()]);

/** As a store would: after the key, one more than asked for. */
function pageAfter(after: string | null, limit: number) {
  const [at] = after === null ? [-1] : decodeCursor(key, after);
  const found = rows.filter((row) => row.at > at).slice(0, limit + 1);
  return pageOf(
    found,
    limit,
    (row) => [row.at, row.id],
    (row) => row.id,
  );
}

describe('pages', () => {
  it.each([1, 3, 7, 8])('of %i show everything once, in order, and end', (limit) => {
    const shown: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      pages++;
      const page = pageAfter(after, limit);
      expect(page.items.length).toBeLessThanOrEqual(limit);
      shown.push(...page.items);
      after = page.next;
    } while (after !== null);
    expect(shown).toEqual(rows.map((row) => row.id));
    expect(pages).toBe(Math.ceil(rows.length / limit));
  });

  it('of nothing have no next', () => {
    expect(pageOf([], 10, () => [], String)).toEqual({ items: [], next: null });
  });
});

describe('a cursor', () => {
  it('comes back as it was', () => {
    expect(decodeCursor(key, encodeCursor([5, 'é']))).toEqual([5, 'é']);
  });

  it.each(['x', '', encodeCursor(['5', 'a']), encodeCursor([1]), encodeCursor([1, 'a', 2])])(
    'that is not of this list is refused: %s',
    (after) => {
      expect(() => decodeCursor(key, after)).toThrow(expect.objectContaining({ code: 'invalid-field', status: 400 }));
    },
  );
});
