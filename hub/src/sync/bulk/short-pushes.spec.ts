import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { GiveWay } from '../../database/give-way.js';
import { givingWayTo, ShortPushes, WAIT_MS_MAX } from './short-pushes.js';

/** Says that it sleeps on the first, and then what ended that. */
const SLEEPER = `const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage('sleeps');
parentPort.postMessage(Atomics.wait(new Int32Array(workerData), 0, 1));`;

let shorts: ShortPushes;
let nowMs: number;
/** For how long the thread was to be stopped, each time. */
let waits: number[];
/** As long as which count stands it was to be stopped. */
let lastSeen: number;

beforeEach(() => {
  shorts = new ShortPushes();
  nowMs = 1000;
  waits = [];
});

/** @param stopped what happens while it is; mostly nothing, for as long as it is to be */
function giving(stopped = (whileMs: number): void => void (nowMs += whileMs), others: GiveWay = async () => undefined) {
  const stop = (_count: Int32Array, seen: number, whileMs: number): void => {
    waits.push(whileMs);
    lastSeen = seen;
    stopped(whileMs);
  };
  return givingWayTo(shorts.shared, others, { nowMs: () => nowMs, stop });
}

/** One in hand until it is told to end. */
function inHand(): () => Promise<void> {
  let end = (): void => undefined;
  const push = shorts.during(() => new Promise<void>((done) => (end = done)));
  return async () => {
    end();
    await push;
  };
}

describe('long work', () => {
  it('is not stopped while nothing short is in hand, also no more once it was', async () => {
    const giveWay = giving();
    nowMs += 2;
    await giveWay();
    await inHand()();
    await expect(shorts.during(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    nowMs += 2;
    await giveWay();
    expect(waits).toEqual([]);
  });

  it('is stopped until all of them are done: woken, it counts again', async () => {
    const count = new Int32Array(shorts.shared);
    Atomics.store(count, 0, 2);
    const giveWay = giving(() => {
      nowMs += 3;
      Atomics.sub(count, 0, 1);
    });
    nowMs += 40;
    await giveWay();
    expect(waits).toEqual([20, 17]);
    expect(lastSeen).toBe(1);
  });

  it('is never stopped for longer than half of what it went on, nor for more than some pushes take', async () => {
    const end = inHand();
    const giveWay = giving();
    for (const workedMs of [4, 14, 10 * WAIT_MS_MAX]) {
      nowMs += workedMs;
      await giveWay();
    }
    expect(waits).toEqual([2, 7, WAIT_MS_MAX]);
    // Nothing left to wait with.
    await giveWay();
    expect(waits).toHaveLength(3);
    await end();
  });

  it('keeps what it did not wait for the next time', async () => {
    const giveWay = giving((whileMs) => {
      nowMs += 4;
      if (whileMs === 10) Atomics.store(new Int32Array(shorts.shared), 0, 0);
      else nowMs += whileMs - 4;
    });
    Atomics.store(new Int32Array(shorts.shared), 0, 1);
    nowMs += 20;
    await giveWay();
    Atomics.store(new Int32Array(shorts.shared), 0, 1);
    nowMs += 10;
    await giveWay();
    expect(waits).toEqual([10, 11]);
  });

  it('serves others of its own thread first, and looks only then', async () => {
    const end = inHand();
    const giveWay = giving(undefined, end);
    nowMs += 10;
    await giveWay();
    expect(waits).toEqual([]);
  });

  it('is woken by the end of the last of them', async () => {
    const end = inHand();
    const sleeper = new Worker(SLEEPER, { eval: true, workerData: shorts.shared });
    await once(sleeper, 'message');
    const woken = once(sleeper, 'message');
    await end();
    // Or it came too late to fall asleep: that is no fault either.
    expect(['ok', 'not-equal']).toContain((await woken)[0]);
    await once(sleeper, 'exit');
  });
});
