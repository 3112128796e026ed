import { describe, expect, it } from '@jest/globals';
import { Progress } from './progress.js';

function progress(before = { stores: 0, baskets: 0 }) {
  const clock = { nowMs: 0, now: () => clock.nowMs };
  const all = { stores: 10, baskets: 2_400 };
  return {
    clock,
    progress: new Progress(all, before, { clock, screen: { columns: () => null, write: () => undefined } }),
  };
}

describe('the line about a replay', () => {
  it('says what is done and under way, how fast, and about how long it takes still', () => {
    const { clock, progress: line } = progress();
    line.storeBegins();
    line.storeBegins();
    line.basketsSold(1_080);
    line.storeEnds(true);
    clock.nowMs = 120_000;
    // 1,200 of 3,600 baskets and what is worth one.
    expect(line.line()).toBe(
      '1 of 10 stores, 1 under way · 1,080 of 2,400 baskets · 9.0/s · 2:00 elapsed · about 4:00 to go',
    );
  });

  it('counts what earlier runs have done, but not as done in this one', () => {
    const { clock, progress: line } = progress({ stores: 8, baskets: 1_800 });
    line.storeBegins();
    line.basketsSold(60);
    clock.nowMs = 2_000;
    // Too early to say how long the rest takes.
    expect(line.line()).toBe('8 of 10 stores, 1 under way · 1,860 of 2,400 baskets · 30.0/s · 0:02 elapsed');
    line.basketsSold(120);
    clock.nowMs = 6_000;
    expect(line.line()).toMatch(/1,980 of 2,400 baskets · 30\.0\/s · 0:06 elapsed · about 0:22 to go$/);
  });

  it('takes a store that failed from those under way and not for one that is done', () => {
    const { progress: line } = progress();
    line.storeBegins();
    line.storeEnds(false);
    expect(line.line()).toMatch(/^0 of 10 stores, 0 under way/);
  });
});
