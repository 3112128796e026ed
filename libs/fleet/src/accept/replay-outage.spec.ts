import { describe, expect, it } from '@jest/globals';
import { memoryIsBounded } from './replay-all.js';
import { compareReplay, type Expected, type Replayed } from './replay-outage.js';

const figures = (baskets: number) => {
  return { baskets, lines: 9, net: 1_234, retail_disc: 50, coupon_match: 5, coupon: 3, units: 77 };
};
const outage = (replayedReplies: number): Replayed['outages'][string] => ({
  awayFrom: '2026-11-20T10:00:00.000Z',
  awayTo: '2026-11-20T10:00:03.000Z',
  peakQueue: 12,
  killedPid: 100,
  restartedPid: 101,
  retriedIds: ['a'],
  replayedReplies,
});

// 10 and 9 have as many baskets: the smaller id comes first.
const expected: Expected = { per_store: { 7: figures(30), 10: figures(20), 9: figures(20), 3: figures(1) } };
const good = (): Replayed => ({
  per_store: { 7: figures(30), 9: figures(20) },
  outages: { 7: outage(0), 9: outage(1) },
  memory: { replayMb: 180, hubMb: 250, edgeMb: 190, postgresMb: 100 },
});

describe('a replay', () => {
  it('of the busiest stores that is equal, with believable outages, is all well', () => {
    expect(compareReplay(good(), expected, 2)).toEqual([]);
  });

  it.each<[string, RegExp, (replayed: Replayed) => void]>([
    ['is a cent off', /store 7: net 1235, expected 1234/, (it) => (it.per_store['7'] = { ...figures(30), net: 1_235 })],
    ['lacks a store', /store 9 is missing/, (it) => delete it.per_store['9']],
    ['replays another store', /nobody asked for: 10/, (it) => (it.per_store['10'] = figures(20))],
    ['has a store without an outage', /outage of 7: there was none/, (it) => delete it.outages['7']],
    ['took no time', /it took no time/, (it) => (it.outages['7'] = { ...outage(0), awayTo: outage(0).awayFrom })],
    ['queued nothing', /queue did not grow/, (it) => (it.outages['7'] = { ...outage(0), peakQueue: 0 })],
    ['killed nobody', /process did not change/, (it) => (it.outages['7'] = { ...outage(0), restartedPid: 100 })],
    ['retried nothing', /no sale was tried again/, (it) => (it.outages['7'] = { ...outage(0), retriedIds: [] })],
    ['never lost a reply', /only 0 stores had a reply replayed/, (it) => (it.outages['9'] = outage(0))],
    ['replayed more than it retried', /more replies/, (it) => (it.outages['9'] = outage(2))],
  ])('that %s is not', (_what, complaint, spoil) => {
    const replayed = good();
    spoil(replayed);
    expect(compareReplay(replayed, expected, 2).join('; ')).toMatch(complaint);
  });

  it('of all stores takes no more memory than one of a few', () => {
    const { memory } = good();
    expect(memoryIsBounded(good())).toEqual([]);
    expect(memoryIsBounded({ ...good(), memory: { ...memory, replayMb: null } })).toEqual([]);
    expect(memoryIsBounded({ ...good(), memory: { ...memory, replayMb: 900 } })).toEqual([
      'the replay took 900 MiB, expected at most 256',
    ]);
  });
});
