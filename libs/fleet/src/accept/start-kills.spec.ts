import { describe, expect, it } from '@jest/globals';
import { numberComplaints } from './edge-facts.js';
import { planKills } from './start-kills.js';

describe('a plan of kills', () => {
  it('is the same for the same seed, and another one for another', () => {
    expect(planKills(20, 7)).toEqual(planKills(20, 7));
    expect(planKills(20, 8)).not.toEqual(planKills(20, 7));
  });

  it('has every moment of a start, with and without a wait for what it left', () => {
    const kills = planKills(20, 7);
    const moments = ['setting up', 'trading', 'starting', 'stopping', 'ready'];
    expect(new Set(kills.map(({ moment }) => moment))).toEqual(new Set(moments));
    expect(new Set(kills.map(({ waits }) => waits)).size).toBe(2);
    expect(kills.filter(({ fresh }) => fresh).map(({ moment }) => moment)).toEqual(Array(4).fill('setting up'));
  });
});

describe('receipt numbers', () => {
  it.each([
    ['of two tills and two epochs', ['B1-T1-1-000001', 'B1-T2-1-000001', 'B1-T1-1-000002', 'B1-T1-2-000001'], []],
    ['with a gap', ['B1-T1-1-000001', 'B1-T1-1-000003'], ['numbers of B1-T1-1 with gaps or twice']],
    ['without the first', ['B1-T1-1-000002'], ['numbers of B1-T1-1 with gaps or twice']],
    ['with one twice', ['B1-T1-1-000001', 'B1-T1-1-000001'], ['numbers of B1-T1-1 with gaps or twice']],
    ['of nobody', [], []],
  ])('%s', (_what, numbers, complaints) => {
    expect(numberComplaints(numbers)).toEqual(complaints);
  });
});
