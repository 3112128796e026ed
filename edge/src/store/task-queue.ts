import type { Tx } from './tx.js';

/** In each lane. */
export const QUEUE_COMMANDS_MAX = 5_000;

export type Task = {
  name: string;
  /** What already happened elsewhere is only to be written down: whoever stands at a till goes first. */
  waits: boolean;
  /** Runs inside the task's savepoint; what it returns is called after the commit and gives the answer. */
  run(tx: Tx): () => unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
};

/** What the writer still has to do, in two lanes, each in its order. */
export class TaskQueue {
  private readonly live: Task[] = [];
  private readonly waiting: Task[] = [];

  get length(): number {
    return this.live.length + this.waiting.length;
  }

  /** Of one lane: a full one takes nothing from the other. */
  lengthOf(waits: boolean): number {
    return (waits ? this.waiting : this.live).length;
  }

  push(task: Task): void {
    (task.waits ? this.waiting : this.live).push(task);
  }

  next(): Task | undefined {
    return this.live.shift() ?? this.waiting.shift();
  }

  /** Sales without end would keep the other lane for ever: one of it goes with each group. */
  nextWaiting(): Task | undefined {
    return this.waiting.shift();
  }

  take(count: number): Task[] {
    const taken = this.live.splice(0, count);
    return [...taken, ...this.waiting.splice(0, count - taken.length)];
  }
}
