import { describe, expect, it } from '@jest/globals';
import { commonProtocol, protocolSaid, rangeText, speaks, spokenSchema, spokenUpTo } from './protocol.js';

describe('the protocols that a release speaks', () => {
  it.each([
    [1, 1, 1],
    [2, 1, 2],
    [3, 1, 3],
    [4, 2, 4],
    [12, 10, 12],
  ])('of the newest %i are %i to %i', (newest, from, to) => {
    expect(spokenUpTo(newest)).toEqual({ from, to });
  });

  it('are the newest and the two before it, and no others', () => {
    expect([0, 1, 2, 3, 4, 5].filter((protocol) => speaks(spokenUpTo(4), protocol))).toEqual([2, 3, 4]);
  });
});

describe('two releases', () => {
  it.each([
    ['of one age', 4, 4, 4],
    ['one apart', 4, 3, 3],
    ['two apart', 4, 2, 2],
    ['three apart', 4, 1, null],
    ['of which none is older than the first', 3, 1, 1],
  ])('%s speak the newest that both know, whichever of them is older', (_title, one, other, common) => {
    expect(commonProtocol(spokenUpTo(one), spokenUpTo(other))).toBe(common);
    expect(commonProtocol(spokenUpTo(other), spokenUpTo(one))).toBe(common);
  });
});

describe('what the other end says of protocols', () => {
  it.each([
    [undefined, 1],
    ['1', 1],
    ['12', 12],
    ['0', null],
    ['01', null],
    ['1.5', null],
    ['-1', null],
    ['9999999999', null],
    [['1', '2'], null],
  ])('in a header %j is %j', (said, protocol) => {
    expect(protocolSaid(said)).toBe(protocol);
  });

  it.each([[[1, 1]], [[2, 4]]])('as a range is %j', (range) => {
    expect(spokenSchema.safeParse(range).success).toBe(true);
  });

  it.each([[[4, 2]], [[0, 1]], [[1]], [[1, 2, 3]], ['1-3'], [null]])('as a range is not %j', (range) => {
    expect(spokenSchema.safeParse(range).success).toBe(false);
  });

  it('is told to people in words', () => {
    expect([rangeText({ from: 1, to: 1 }), rangeText({ from: 3, to: 5 })]).toEqual(['1', '3 to 5']);
  });
});
