import { describe, expect, it } from '@jest/globals';
import { PushLane } from './push-lane.js';

const lane = (): PushLane => new PushLane({ admittedMax: 3, perBoxMax: 2, workingMax: 1 });

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
    const leave = places.admit('a');
    expect(leave).not.toBeNull();
    expect(places.admit('a')).not.toBeNull();
    expect(places.admit('a')).toBeNull();
    expect(places.admit('b')).not.toBeNull();
    expect(places.admit('c')).toBeNull();
    leave?.();
    // Leaving twice frees one place, not two.
    leave?.();
    expect(places.admit('c')).not.toBeNull();
    expect(places.admit('d')).toBeNull();
  });

  it('works in the order of arrival, and goes on after one that failed', async () => {
    const places = lane();
    const [first, second] = [push(), push()];
    const failing = places.work(() => first.run().then(() => Promise.reject(new Error('no'))));
    const waiting = places.work(second.run);
    expect([first.began(), second.began()]).toEqual([true, false]);
    first.end();
    await expect(failing).rejects.toThrow('no');
    second.end();
    await expect(waiting).resolves.toBe('done');
  });

  it('keeps no more waiting than it admits, whoever has hung up', async () => {
    const places = lane();
    const first = push();
    const working = places.work(first.run);
    const waiting = [places.work(async () => 1), places.work(async () => 2), places.work(async () => 3)];
    await expect(places.work(async () => 4)).rejects.toMatchObject({ code: 'busy', headers: { 'retry-after': '2' } });
    first.end();
    expect(await Promise.all([working, ...waiting])).toEqual(['done', 1, 2, 3]);
  });
});
