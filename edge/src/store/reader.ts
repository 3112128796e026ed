import { Worker } from 'node:worker_threads';
import { Problem, problem } from '@branchline/http/problem.js';
import type { JsonText, ReadJobs, ReadOutcome, ReadRequest, ThreadMessage } from './read-job.js';
import type { ReaderData } from './serve-reads.js';
import type { ThreadProgram } from './thread-program.js';

export type ReaderLimits = { waitingMax: number; readMsMax: number; startMsMax: number };

export type ReaderParts = {
  file: string;
  /** Calls `serveReads` with the same jobs. */
  thread: ThreadProgram;
  limits?: Partial<ReaderLimits>;
  alarm(message: string): void;
};

/**
 * The longest bounded read measured took 30 ms. Two seconds is what a checkpoint may be held up for, and so what bounds
 * the write-ahead log; sixteen waiting is a queue that nobody who still looks at a screen stands in.
 */
const LIMITS: ReaderLimits = { waitingMax: 16, readMsMax: 2_000, startMsMax: 10_000 };
/** Threads told to end that are still inside SQLite, which hears of it when its statement returns. */
const ENDING_MAX = 2;
/**
 * Pages are bounded at some hundreds of KB; a job that wants more than 64 MB has a bug. A small nursery: with V8's own
 * choice the thread came to 77 MB resident after fifty pages, with this to 52, and was no slower.
 */
const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 };

type Task = {
  request: ReadRequest;
  resolve(json: string): void;
  reject(error: Error): void;
};

type Thread = { worker: Worker; ready: boolean };

/**
 * Reads that take longer than a point read, in a thread of their own: better-sqlite3 is synchronous, and on the main thread a
 * sale would wait for them. One thread, one job at a time, a bounded queue, a time limit each. A thread that overstays is
 * replaced, not waited for; one that dies takes its own job with it and no other. Begun with the first read.
 */
export class Reader<Jobs extends ReadJobs> {
  private readonly waiting: Task[] = [];
  private readonly limits: ReaderLimits;
  private thread: Thread | null = null;
  private running: Task | null = null;
  private timer: NodeJS.Timeout | undefined;
  private ending = 0;
  private lastNo = 0;
  private closed = false;

  constructor(private readonly parts: ReaderParts) {
    this.limits = { ...LIMITS, ...parts.limits };
  }

  /** @returns JSON, to be sent as it is @throws Problem what the job refuses with; busy, took-too-long, shutting-down */
  read<Name extends keyof Jobs & string>(
    name: Name,
    input: Parameters<Jobs[Name]>[1],
  ): Promise<JsonText<ReturnType<Jobs[Name]>>> {
    if (this.closed) return Promise.reject(problem('shutting-down'));
    if (this.waiting.length >= this.limits.waitingMax) return Promise.reject(busy('too many long reads are waiting'));
    return new Promise((resolve, reject) => {
      this.lastNo += 1;
      this.waiting.push({ request: { no: this.lastNo, name, input }, resolve, reject });
      this.next();
    });
  }

  /** Takes no more, and leaves what is being read: nobody can be answered any longer. */
  async close(): Promise<void> {
    this.closed = true;
    this.refuseAll(problem('shutting-down'));
    clearTimeout(this.timer);
    const { thread } = this;
    this.thread = null;
    await thread?.worker.terminate();
  }

  private next(): void {
    if (this.running !== null || this.waiting.length === 0) return;
    if (this.thread === null) return this.begin();
    if (!this.thread.ready) return;
    const task = this.waiting.shift() as Task;
    this.running = task;
    this.limit(this.limits.readMsMax);
    this.thread.worker.postMessage(task.request);
  }

  private begin(): void {
    if (this.ending >= ENDING_MAX) return this.refuseAll(busy('long reads are still being stopped'));
    const { file, thread } = this.parts;
    const workerData: ReaderData = { file };
    const worker = new Worker(thread.url, {
      workerData,
      resourceLimits: HEAP,
      ...(thread.execArgv && { execArgv: thread.execArgv }),
    });
    const begun: Thread = { worker, ready: false };
    this.thread = begun;
    // It never keeps the program from ending.
    worker.unref();
    worker.on('message', (message: ThreadMessage) => this.heard(begun, message));
    worker.on('error', (error) => this.lost(begun, error.message));
    worker.on('exit', (code) => this.lost(begun, `exit ${code}`));
    this.limit(this.limits.startMsMax);
  }

  private heard(from: Thread, message: ThreadMessage): void {
    if (from !== this.thread) return;
    if (message.kind === 'ready') {
      clearTimeout(this.timer);
      from.ready = true;
    } else if (message.no === this.running?.request.no) {
      clearTimeout(this.timer);
      const task = this.running;
      this.running = null;
      settle(task, message.outcome);
    }
    this.next();
  }

  private limit(ms: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.overstayed(), ms).unref();
  }

  private overstayed(): void {
    const { thread, running } = this;
    if (thread === null) return;
    this.thread = null;
    this.ending += 1;
    void thread.worker.terminate().then(() => {
      this.ending -= 1;
    });
    if (running === null) return this.failedToStart('it did not start in time');
    this.running = null;
    this.parts.alarm(`the read ${running.request.name} took too long and was stopped`);
    running.reject(problem('took-too-long', undefined, RETRY_SOON));
    this.next();
  }

  private lost(thread: Thread, reason: string): void {
    if (thread !== this.thread) return;
    clearTimeout(this.timer);
    this.thread = null;
    const { running } = this;
    if (running === null && !thread.ready) return this.failedToStart(reason);
    this.running = null;
    this.parts.alarm(`the thread of long reads ended (${running?.request.name ?? 'idle'}): ${reason}`);
    running?.reject(busy('the read was cut short'));
    this.next();
  }

  /** All that wait would fare alike; the next read tries again. */
  private failedToStart(reason: string): void {
    this.parts.alarm(`the thread of long reads did not start: ${reason}`);
    this.refuseAll(busy('long reads cannot be done at the moment'));
  }

  private refuseAll(refusal: Problem): void {
    const { running } = this;
    this.running = null;
    running?.reject(refusal);
    for (const task of this.waiting.splice(0)) task.reject(refusal);
  }
}

const RETRY_SOON = { headers: { 'retry-after': '1' } };

function busy(detail: string): Problem {
  return problem('busy', detail, RETRY_SOON);
}

function settle(task: Task, outcome: ReadOutcome): void {
  if (outcome.kind === 'done') return task.resolve(outcome.json);
  if (outcome.kind === 'refused') {
    const { code, detail, errors } = outcome.problem;
    return task.reject(problem(code, detail, errors && { errors }));
  }
  // A bug: its stack leads into the thread.
  task.reject(Object.assign(new Error(outcome.message), { stack: outcome.stack }));
}
