import { Worker } from 'node:worker_threads';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { problem } from '@branchline/http/problem.js';
import type { Command } from './command.js';
import { QUEUE_COMMANDS_MAX } from './task-queue.js';
import type { ThreadProgram } from './thread-program.js';
import type { BackgroundWrite, LocalWrite, StoreWriter, WrittenBy } from './write-job.js';
import {
  ofPlain,
  plainOf,
  type FromWriterThread,
  type StorePlace,
  type ToWriterThread,
  type WriteOutcome,
  type WriteRequest,
} from './write-messages.js';

export type ThreadedWriterParts = {
  alarm(message: string): void;
  /** Called once when the file can no longer be trusted to take writes, or nobody is left to write. */
  onFatal(error: Error): void;
};

/** Of the thread. With 12 the program held 11 MB more after a rush, and was no faster. */
const HEAP = { maxYoungGenerationSizeMb: 4 };

/** `sinceMs` null: long work, for which nobody stands at a till. */
type Pending = { waits: boolean; sinceMs: number | null; resolve(output: unknown): void; reject(error: unknown): void };
type WithoutNo<T> = T extends unknown ? Omit<T, 'no'> : never;

/** Longer than this no disk that works keeps a sale waiting. */
export const STALLED_MS = 5_000;
const LOOK_EVERY_MS = 1_000;
/**
 * What comes in one turn goes in few messages, but not in one: 32 tills that all come at once would be written at once and answered
 * at once, each thread waiting for the other (3,000 sales a second; 3,850 with this).
 */
const SENT_AT_ONCE = 4;

/**
 * The store's writer in a thread of its own: what a sale costs in SQL, hashing and waiting for the disk is not taken from
 * those who scan, and a disk that hangs does not hang the program. It lives as long as the program does: when it dies,
 * nobody can say what it did last, and the program starts again.
 */
export class ThreadedWriter implements StoreWriter {
  private readonly worker: Worker;
  private readonly pending = new Map<number, Pending>();
  private readonly listeners: (() => void)[] = [];
  private unsent: WriteRequest[] = [];
  private lastNo = 0;
  private waitingCount = 0;
  private state: 'starting' | 'open' | 'closing' | 'failed' = 'starting';
  private failure: Error | null = null;
  private parts: ThreadedWriterParts | null = null;
  private opening: { resolve(): void; reject(error: Error): void } | null = null;
  private readonly ended: Promise<void>;
  private readonly looking: NodeJS.Timeout;
  private isStalled = false;
  private heardAtMs = 0;

  private constructor(program: ThreadProgram) {
    this.worker = new Worker(program.url, {
      resourceLimits: HEAP,
      ...(program.execArgv && { execArgv: program.execArgv }),
    });
    this.worker.on('message', (message: FromWriterThread) => this.heard(message));
    this.worker.on('error', (error) => this.lost(error));
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', (code) => {
        this.lost(new Error(`exit ${code}`));
        resolve();
      });
    });
    this.looking = setInterval(() => this.lookForStall(), LOOK_EVERY_MS).unref();
  }

  /** Begins to load what the thread runs; it opens nothing yet. */
  static start(program: ThreadProgram): ThreadedWriter {
    return new ThreadedWriter(program);
  }

  /** For whoever holds the folder's lock and has brought the schema forward. @throws EnvironmentFailure */
  open(place: StorePlace, parts: ThreadedWriterParts): Promise<void> {
    this.parts = parts;
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.opening = { resolve, reject };
      this.send({ kind: 'open', place });
    });
  }

  execute<Input, Outcome>({ name, waits }: Command<Input, Outcome>, input: Input, by: WrittenBy): Promise<Outcome> {
    return this.ask({ kind: 'execute', name, input: plainOf(input), by }, waits ?? false) as Promise<Outcome>;
  }

  write<Input, Output>({ name }: LocalWrite<Input, Output>, input: Input): Promise<Output> {
    return this.ask({ kind: 'write', name, input: plainOf(input) }) as Promise<Output>;
  }

  async background<Input, State>(
    { name }: BackgroundWrite<Input, State>,
    input: Input,
    state: State,
    signal?: AbortSignal,
  ): Promise<State> {
    // Nobody will tell of an abort that was before.
    if (signal?.aborted) return state;
    const answered = this.ask({ kind: 'background', name, input: plainOf(input), state: plainOf(state) });
    const no = this.lastNo;
    const abort = (): void => {
      // The thread has to know what is not to go on.
      this.sendUnsent();
      this.send({ kind: 'abort', no });
    };
    signal?.addEventListener('abort', abort);
    try {
      return (await answered) as State;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  onCommitted(listener: () => void): void {
    this.listeners.push(listener);
  }

  async syncWitness(): Promise<void> {
    await this.ask({ kind: 'sync-witness' });
  }

  async cutLog(): Promise<boolean> {
    return (await this.ask({ kind: 'cut-log' })) as boolean;
  }

  /** Since the thread answered last: in a long queue everybody waits, and the disk works. */
  waitingMs(): number {
    for (const { sinceMs } of this.pending.values())
      if (sinceMs !== null) return performance.now() - Math.max(sinceMs, this.heardAtMs);
    return 0;
  }

  async close(): Promise<void> {
    clearInterval(this.looking);
    if (this.state === 'open') {
      // What was asked before goes before.
      this.sendUnsent();
      this.send({ kind: 'close' });
    } else if (this.state !== 'closing') {
      void this.worker.terminate();
    }
    if (this.state !== 'failed') this.state = 'closing';
    await this.ended;
  }

  private ask(request: WithoutNo<WriteRequest>, waits = false): Promise<unknown> {
    if (this.state !== 'open')
      return Promise.reject(problem(this.state === 'failed' ? 'storage-failed' : 'shutting-down'));
    const inLane = waits ? this.waitingCount : this.pending.size - this.waitingCount;
    if (inLane >= QUEUE_COMMANDS_MAX) return Promise.reject(problem('busy', 'too many writes are waiting'));
    this.lastNo += 1;
    const no = this.lastNo;
    if (waits) this.waitingCount += 1;
    const unsent = this.unsent.push({ no, ...request });
    if (unsent === 1) setImmediate(() => this.sendUnsent());
    if (unsent === SENT_AT_ONCE) this.sendUnsent();
    const sinceMs = request.kind === 'background' ? null : performance.now();
    return new Promise((resolve, reject) => this.pending.set(no, { waits, sinceMs, resolve, reject }));
  }

  private sendUnsent(): void {
    const requests = this.unsent;
    if (requests.length === 0) return;
    this.unsent = [];
    this.send({ kind: 'requests', requests });
  }

  private send(message: ToWriterThread): void {
    this.worker.postMessage(message);
  }

  private heard(message: FromWriterThread): void {
    switch (message.kind) {
      case 'open':
        this.state = 'open';
        return this.opening?.resolve();
      case 'not-open':
        return this.notOpened(message);
      case 'outcomes':
        this.heardAtMs = performance.now();
        for (const outcome of message.outcomes) this.settle(outcome);
        if (message.moved) for (const listener of this.listeners) listener();
        return;
      case 'alarm':
        return this.parts?.alarm(message.message);
      case 'fatal':
        return this.fail(new Error(message.message));
      case 'closed':
        return;
    }
  }

  private notOpened({ message, stack, isEnvironment }: FromWriterThread & { kind: 'not-open' }): void {
    this.state = 'closing';
    void this.worker.terminate();
    const error = isEnvironment ? new EnvironmentFailure(message) : Object.assign(new Error(message), { stack });
    this.opening?.reject(error);
  }

  private settle(outcome: WriteOutcome): void {
    const pending = this.pending.get(outcome.no);
    if (pending === undefined) throw new Error(`the writer answered ${outcome.no}, which nobody asked`);
    this.pending.delete(outcome.no);
    if (pending.waits) this.waitingCount -= 1;
    if (outcome.kind === 'done') return pending.resolve(ofPlain(outcome.output));
    if (outcome.kind === 'refused') {
      const { code, detail, ...extra } = outcome.problem;
      return pending.reject(problem(code, detail, extra));
    }
    const { name, message, stack, fields } = outcome;
    // Its stack leads into the thread.
    pending.reject(Object.assign(new Error(message), JSON.parse(fields), { name, stack }));
  }

  /** Said once each way: a disk that hangs gives no error, only tills that wait. */
  private lookForStall(): void {
    const waitingMs = this.waitingMs();
    if (waitingMs >= STALLED_MS === this.isStalled) return;
    this.isStalled = !this.isStalled;
    const seconds = Math.round(waitingMs / 1000);
    this.parts?.alarm(
      this.isStalled
        ? `nothing was written for ${seconds} s: the disk does not answer, and sales wait for it`
        : 'the disk answers again',
    );
  }

  /** The file cannot be trusted any more; the thread itself still answers what it was asked. */
  private fail(error: Error): void {
    if (this.state === 'failed') return;
    this.state = 'failed';
    this.failure = error;
    this.parts?.onFatal(error);
  }

  /** Whatever was asked and not answered may be written or not: `storage-failed` says just that. */
  private lost(reason: Error): void {
    if (this.state !== 'closing') this.fail(new Error(`the writer’s thread ended: ${reason.message}`));
    this.opening?.reject(reason);
    for (const { reject } of this.pending.values()) reject(problem('storage-failed'));
    this.pending.clear();
  }
}
