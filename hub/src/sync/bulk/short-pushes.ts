import type { GiveWay } from '../../database/give-way.js';

/**
 * How many short pushes this process has in hand, told to the thread of long ones: those give way. A few sales are in
 * within milliseconds when nothing else wants the processors, and PostgreSQL knows no priorities: what keeps its backends
 * free is that nobody asks them.
 */
export class ShortPushes {
  /** One number, shared with the thread. */
  readonly shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  private readonly count = new Int32Array(this.shared);

  async during<T>(push: () => Promise<T>): Promise<T> {
    Atomics.add(this.count, 0, 1);
    try {
      return await push();
    } finally {
      if (Atomics.sub(this.count, 0, 1) === 1) Atomics.notify(this.count, 0);
    }
  }
}

/** What may be waited for at once: as long as a few of them take. */
export const WAIT_MS_MAX = 50;

/** `stop` ends when the count is another one than was seen, or the time is over: `Atomics.wait`. */
export type ThreadTime = { nowMs(): number; stop(count: Int32Array, seen: number, whileMs: number): void };

const THIS_THREAD: ThreadTime = {
  nowMs: () => performance.now(),
  stop: (count, seen, whileMs) => void Atomics.wait(count, 0, seen, whileMs),
};

/**
 * Stops the whole thread that asks while any are in hand, though for no longer than half of what it has gone on before:
 * beside a chain that sells all the time it works two thirds of its time. Not for the thread that serves them.
 */
export function givingWayTo(shared: SharedArrayBuffer, serveOthers: GiveWay, time = THIS_THREAD): GiveWay {
  const count = new Int32Array(shared);
  let creditMs = 0;
  let lastMs = time.nowMs();
  return async () => {
    await serveOthers();
    const beganMs = time.nowMs();
    const endMs = beganMs + Math.min(WAIT_MS_MAX, creditMs + (beganMs - lastMs) / 2);
    for (let nowMs = beganMs; nowMs < endMs; nowMs = time.nowMs()) {
      // Looked at once: were it looked at again, the last could end in between, and the next be waited for.
      const inHand = Atomics.load(count, 0);
      if (inHand === 0) break;
      time.stop(count, inHand, endMs - nowMs);
    }
    lastMs = time.nowMs();
    creditMs = Math.max(0, endMs - lastMs);
  };
}
