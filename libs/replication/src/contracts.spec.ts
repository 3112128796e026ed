import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import {
  CONTRACT,
  FEED_SHAPES,
  LINE_SHAPES,
  NewerContract,
  UnsoundBody,
  upcast,
  upcastLine,
  type KindShapes,
  type PastShape,
} from './contracts.js';
import { FEED_KINDS } from './feed.js';
import { JOURNAL_KINDS } from './kinds/registry.js';
import type { JournalLine } from './line.js';

/**
 * A kind of which every shape adds one to a count, and notes the contract of the shape that came: where a body has been is
 * then to be read in it.
 */
function kindOf(contracts: readonly number[]): KindShapes {
  const past = contracts.slice(0, -1).map((since, at): PastShape => {
    const next = contracts[at + 1];
    return {
      since,
      schema: z.looseObject({ count: z.literal(at) }),
      upcast: ({ count, path, ...rest }) => ({
        ...rest,
        count: Number(count) + 1,
        path: [...(path as number[]), next],
      }),
    };
  });
  return { since: contracts.at(-1) ?? 0, past };
}

/** Contracts in which a kind changed, the first of them whichever. */
const contracts = fc
  .uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })
  .map((each) => [...each].sort((a, b) => a - b));
const members = fc.dictionary(
  fc.string().filter((name) => !['count', 'path', '__proto__'].includes(name)),
  fc.jsonValue(),
);

describe('a body of any past contract', () => {
  it('goes through each later shape once, in their order, and keeps what nobody knows', () => {
    fc.assert(
      fc.property(contracts, members, fc.nat(40), (changed, rest, beyond) => {
        const kind = kindOf(changed);
        const contract = 1 + (beyond % kind.since);
        // Who wrote it knew the shape that had come last by then.
        const own = Math.max(
          0,
          changed.findLastIndex((since) => since <= contract),
        );
        const body = { ...rest, count: own, path: [] };
        expect(upcast(kind, contract, body)).toEqual({
          ...rest,
          count: changed.length - 1,
          path: changed.slice(own + 1),
        });
      }),
    );
  });

  it('of today is the very same object: nothing is made anew for it', () => {
    const body = { count: 3 };
    expect(upcast(kindOf([1, 4, 9]), 9, body)).toBe(body);
    const line = { kind: 'sale', contract: LINE_SHAPES.sale.since, body } as unknown as JournalLine;
    expect(upcastLine(line)).toBe(line);
  });

  it('that is not what its contract says is told, and no way is gone with it', () => {
    const kind = kindOf([1, 4]);
    expect(() => upcast(kind, 1, { count: 'none', path: [] })).toThrow(UnsoundBody);
    expect(() => upcast(kind, 1, { count: 'none', path: [] })).toThrow('as of contract 1: count');
  });

  it('on whose way is a bug is told as one that cannot be read', () => {
    const step: PastShape = {
      since: 1,
      schema: z.looseObject({}),
      upcast: () => {
        throw new TypeError('no such thing');
      },
    };
    expect(() => upcast({ since: 2, past: [step] }, 1, {})).toThrow(UnsoundBody);
  });
});

describe('a line of a contract to come', () => {
  it('is refused only where its own kind has changed', () => {
    const shapes = { ...LINE_SHAPES, sale: kindOf([1, 5]) };
    const line = (kind: string, contract: number) => ({ kind, contract, body: { count: 1 } }) as unknown as JournalLine;
    expect(upcastLine(line('sale', 5), shapes).body).toEqual({ count: 1 });
    expect(() => upcastLine(line('sale', 6), shapes)).toThrow(NewerContract);
    expect(() => upcastLine(line('shift-open', 2), shapes)).toThrow('contract 2, known here up to 1');
    expect(upcastLine(line('teleport', 99), shapes)).toEqual(line('teleport', 99));
  });
});

describe('the shapes of this release', () => {
  const families = { lines: [LINE_SHAPES, JOURNAL_KINDS], feed: [FEED_SHAPES, FEED_KINDS] } as const;
  it.each(Object.entries(families))('name every kind of %s, and no other', (_name, [shapes, kinds]) => {
    expect(Object.keys(shapes).sort()).toEqual(Object.keys(kinds).sort());
  });

  it('came one after the other, none of them later than the contract of the set', () => {
    const all: KindShapes[] = [...Object.values(LINE_SHAPES), ...Object.values(FEED_SHAPES)];
    for (const { since, past } of all) {
      const came = [...past.map((shape) => shape.since), since];
      expect(came).toEqual([...new Set(came)].sort((a, b) => a - b));
    }
    expect(CONTRACT).toBe(Math.max(...all.map(({ since }) => since)));
  });
});
