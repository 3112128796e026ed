import { describe, expect, it } from '@jest/globals';
import { PushLane } from './push-lane.js';

const LIMITS = {
  ...{ bytesMax: 30, bytesMin: 10, perBoxMax: 2, perBoxBytesMax: 30, workingMax: 1 },
  ...{ longBytesMin: 1000, longMax: 1, longPerBoxMax: 1 },
};
const lane = (): PushLane => new PushLane(LIMITS);

/** A push that ends when it is told to. */
function push(): { run: () => Promise<string>; end: () => void; began: () => boolean } {
  let end = (): void => undefined;
  let began = false;
  const ended = new Promise<string>((resolve) => (end = () => resolve('done')));
  return { run: () => ((began = true), ended), end: () => end(), began: () => began };
}

describe('the lane of pushes', () => {
  it('has so many places, and so many for one box', () => {
    const places = lane();
    const leave = places.admit('a', 1);
    expect(leave).not.toBeNull();
    expect(places.admit('a', 1)).not.toBeNull();
    expect(places.admit('a', 1)).toBeNull();
    expect(places.admit('b', 1)).not.toBeNull();
    expect(places.admit('c', 1)).toBeNull();
    leave?.();
    // Leaving twice frees one place, not two.
    leave?.();
    expect(places.admit('c', 1)).not.toBeNull();
    expect(places.admit('d', 1)).toBeNull();
  });

  it('lets one box take only so much of the room', () => {
    const places = new PushLane({ ...LIMITS, bytesMax: 100 });
    const leave = places.admit('a', 20);
    expect([places.hasItsShare('a', 11), places.admit('a', 11)]).toEqual([true, null]);
    expect(places.admit('b', 11)).not.toBeNull();
    expect(places.hasItsShare('a', 10)).toBe(false);
    leave?.();
    expect(places.admit('a', 30)).not.toBeNull();
  });

  it('counts a large push as many', () => {
    const places = lane();
    const leave = places.admit('a', 21);
    expect(places.admit('b', 1)).toBeNull();
    leave?.();
    expect(places.admit('b', 20)).not.toBeNull();
    expect(places.admit('c', 11)).toBeNull();
    expect(places.admit('c', 10)).not.toBeNull();
  });

  it('works in the order of arrival, and goes on after one that failed', async () => {
    const places = lane();
    const [first, second] = [push(), push()];
    const failing = places.work('a', 10, () => first.run().then(() => Promise.reject(new Error('no'))));
    const waiting = places.work('b', 10, second.run);
    expect([first.began(), second.began()]).toEqual([true, false]);
    first.end();
    await expect(failing).rejects.toThrow('no');
    second.end();
    await expect(waiting).resolves.toBe('done');
  });

  it('keeps no more waiting than it admits, whoever has hung up', async () => {
    const places = lane();
    const first = push();
    const working = places.work('a', 10, first.run);
    const waiting = [
      places.work('b', 10, async () => 1),
      places.work('c', 10, async () => 2),
      places.work('d', 10, async () => 3),
    ];
    await expect(places.work('e', 10, async () => 4)).rejects.toMatchObject({
      code: 'busy',
      headers: { 'retry-after': '2' },
    });
    first.end();
    expect(await Promise.all([working, ...waiting])).toEqual(['done', 1, 2, 3]);
  });

  it('gives one box one place to work at, and the next to whoever comes after it', async () => {
    const places = new PushLane({ ...LIMITS, bytesMax: 100, workingMax: 2 });
    const [first, second, other] = [push(), push(), push()];
    const working = [
      places.work('a', 10, first.run),
      places.work('a', 10, second.run),
      places.work('b', 10, other.run),
    ];
    expect([first.began(), second.began(), other.began()]).toEqual([true, false, true]);
    other.end();
    await working[2];
    expect(second.began()).toBe(false);
    first.end();
    await working[0];
    await Promise.resolve();
    expect(second.began()).toBe(true);
    second.end();
    await Promise.all(working);
  });

  it('leaves a place to the short ones, however many long ones wait', async () => {
    const places = new PushLane({ ...LIMITS, bytesMax: 200, workingMax: 3, longBytesMin: 20, longMax: 2 });
    const long = [push(), push(), push()];
    const short = [push(), push()];
    const working = [
      ...long.map(({ run }, at) => places.work(`long ${at}`, 20, run)),
      ...short.map(({ run }, at) => places.work(`short ${at}`, 19, run)),
    ];
    const began = (): boolean[] => [...long, ...short].map((each) => each.began());
    expect(began()).toEqual([true, true, false, true, false]);
    short[0]?.end();
    await working[3];
    await Promise.resolve();
    expect(began()).toEqual([true, true, false, true, true]);
    long[0]?.end();
    await working[0];
    await Promise.resolve();
    expect(began()).toEqual([true, true, true, true, true]);
    for (const each of [...long, ...short]) each.end();
    await Promise.all(working);
  });

  it('lets one box work at two long ones, which go on in their order, and at no short one beside them', async () => {
    const limits = { bytesMax: 200, perBoxMax: 4, perBoxBytesMax: 200, workingMax: 4, longBytesMin: 20 };
    const places = new PushLane({ ...LIMITS, ...limits, longMax: 3, longPerBoxMax: 2 });
    const order: number[] = [];
    const long = [push(), push(), push()];
    const [short, other] = [push(), push()];
    const working = [
      ...long.map(({ run }, at) => places.work('a', 20, () => (order.push(at), run()))),
      places.work('a', 19, short.run),
      places.work('b', 20, other.run),
    ];
    const began = (): boolean[] => [...long, short, other].map((each) => each.began());
    expect(began()).toEqual([true, true, false, false, true]);
    long[0]?.end();
    await working[0];
    await Promise.resolve();
    expect([began(), order]).toEqual([
      [true, true, true, false, true],
      [0, 1, 2],
    ]);
    for (const each of long) each.end();
    await Promise.all(working.slice(0, 3));
    await Promise.resolve();
    expect(began()).toEqual([true, true, true, true, true]);
    for (const each of [short, other]) each.end();
    await Promise.all(working);
    // And the other way round: a long one of a box waits for its short one.
    const [first, next] = [push(), push()];
    const both = [places.work('a', 19, first.run), places.work('a', 20, next.run)];
    expect([first.began(), next.began()]).toEqual([true, false]);
    first.end();
    next.end();
    await Promise.all(both);
  });

  it('begins all that the end of one lets begin', async () => {
    const places = new PushLane({ ...LIMITS, bytesMax: 200, perBoxBytesMax: 100, workingMax: 3, longBytesMin: 20 });
    const [long, next, own] = [push(), push(), push()];
    const working = [
      places.work('a', 20, long.run),
      places.work('b', 20, next.run),
      // Of the box that is at work already.
      places.work('a', 10, own.run),
    ];
    expect([long.began(), next.began(), own.began()]).toEqual([true, false, false]);
    long.end();
    await working[0];
    await Promise.resolve();
    expect([next.began(), own.began()]).toEqual([true, true]);
    next.end();
    own.end();
    await Promise.all(working);
  });
});
