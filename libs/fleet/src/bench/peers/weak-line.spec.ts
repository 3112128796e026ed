import { describe, expect, it } from '@jest/globals';
import { chanceFrom } from '../edge/chance.js';
import { ResetDraws } from './weak-line.js';

const drawn = (...chances: number[]) => new ResetDraws(0.02, () => chances.shift() ?? 1);

describe('the draws of a weak line', () => {
  it('reset the request, or let it through and reset its reply', () => {
    const request = drawn(0.01, 0.4);
    expect(request.up({ connection: 1 })).toBe('reset');
    const reply = drawn(0.01, 0.6);
    expect(reply.up({ connection: 1 })).toBe('pass');
    expect(reply.down({ connection: 1 })).toBe('reset');
  });

  it('are made once an exchange, however many pieces it has', () => {
    const draws = drawn(0.5, 0.01, 0.4);
    for (let piece = 0; piece < 9; piece += 1) expect(draws.up({ connection: 1 })).toBe('pass');
    for (let piece = 0; piece < 9; piece += 1) expect(draws.down({ connection: 1 })).toBe('pass');
    expect(draws.up({ connection: 1 })).toBe('reset');
  });

  it('are made for each connection', () => {
    const draws = drawn(0.5, 0.01, 0.4);
    expect(draws.up({ connection: 1 })).toBe('pass');
    expect(draws.up({ connection: 2 })).toBe('reset');
  });

  it('let through what comes down unasked, and break one exchange in fifty', () => {
    const draws = new ResetDraws(0.02, chanceFrom(1));
    expect(draws.down({ connection: 1 })).toBe('pass');
    let resets = 0;
    for (let exchange = 0; exchange < 10_000; exchange += 1) {
      const verdicts = [draws.up({ connection: 1 }), draws.down({ connection: 1 })];
      if (verdicts.includes('reset')) resets += 1;
    }
    expect(resets).toBeGreaterThan(150);
    expect(resets).toBeLessThan(250);
  });
});
