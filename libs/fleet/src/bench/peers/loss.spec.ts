import { describe, expect, it } from '@jest/globals';
import { lossOf } from './loss.js';

describe('what a server has lost or doubled', () => {
  it('is nothing when it has what it was given, in whatever order', () => {
    expect(lossOf(['a', 'b', 'c'], ['c', 'a', 'b'])).toEqual({ lost: 0, doubled: 0 });
  });

  it('is what is missing or altered, and what is there more than once', () => {
    expect(lossOf(['a', 'b', 'c'], ['a', 'a', 'a', 'B'])).toEqual({ lost: 2, doubled: 2 });
  });
});
