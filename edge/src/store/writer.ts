import { problem, type Problem } from '@branchline/http/problem.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { BoxIdentity } from './box.js';
import type { Appliers, Command, FetchedApplier, ReferenceMover } from './command.js';
import { openIncarnationIfDue } from './incarnation.js';
import { appendLines, readHead } from './journal.js';
import { failureOf, isStorageFailure } from './storage-failure.js';
import { QUEUE_COMMANDS_MAX, TaskQueue, type Task } from './task-queue.js';
import { BUSY_MS_MAX, type Connection, type Tx } from './tx.js';
import type { Witness } from './witness.js';
import type { BackgroundWrite, LocalWrite, StoreWriter, WriteContext, WrittenBy } from './write-job.js';

export const GROUP_COMMANDS_MAX = 64;
/**
 * Once so much has been done in it a group takes no more: a sale that comes meanwhile waits for this, not for 64 baskets of
 * 600 lines, which took 1.2 s. A quick box does 64 sales in it.
 */
export const GROUP_MS_MAX = 10;
/** As long as each turn of the event loop brings another command the group waits for it, so many turns at most. */
const GATHER_TURNS_MAX = 8;
/** A background slice gets its turn after this many groups even while sales keep coming. */
const GROUPS_BEFORE_A_SLICE = 4;

/** `run` says whether there is more. */
type LongWork = { run(tx: Tx): boolean; resolve(): void; reject(error: unknown): void };

export type WriterParts = {
  connection: Connection;
  appliers: Appliers;
  moveReference: ReferenceMover;
  applyFetched: FetchedApplier;
  box: BoxIdentity;
  witness: Pick<Witness, 'write' | 'sync'>;
  clock: Clock;
  newId: () => string;
  /** Whether what is committed is where the next start will look for it. */
  isInPlace(): boolean;
  /** Milliseconds from any start; only differences count. */
  stopwatch(): number;
  /** Called once when the file can no longer be trusted to take writes: log, exit, start again. */
  onFatal(error: Error): void;
};

/**
 * The store's one writer. It takes what is queued, sales before what was handed over, opens one transaction, runs each task
 * so that one that fails leaves none of its rows, commits once (`synchronous=FULL`), writes the witness, and only then
 * answers all of them: group commit. Everything between begin and commit is synchronous, so nothing can interleave.
 *
 * A full disk rolls back the whole transaction, wherever it strikes, so the group fails as one with `storage-full` and the
 * process goes on. Any other I/O error or failed commit leaves the outcome unknown: answers are `storage-failed` and
 * the process starts again from what is on disk.
 */
export class Writer implements StoreWriter {
  private readonly queue = new TaskQueue();
  private readonly slices: LongWork[] = [];
  private readonly listeners: (() => void)[] = [];
  private scheduled = false;
  private groupsSinceSlice = 0;
  private stopped: 'no' | 'closing' | 'failed' = 'no';
  private witnessedHash: string | null = null;

  constructor(private readonly parts: WriterParts) {}

  execute<Input, Outcome>(command: Command<Input, Outcome>, input: Input, by: WrittenBy): Promise<Outcome> {
    return this.enqueue(command.name, command.waits ?? false, (tx) => {
      const nowMs = this.parts.clock.now();
      const head = openIncarnationIfDue(tx, this.parts.box, nowMs, this.parts.newId);
      const decision = command.decide(tx, input, { nowMs, epoch: head.epoch, ...by });
      const journaled = appendLines(tx, head, decision.lines, { nowMs, ...by }, this.parts.appliers);
      return () => decision.answer(journaled);
    });
  }

  write<Input, Output>(write: LocalWrite<Input, Output>, input: Input): Promise<Output> {
    return this.enqueue(write.name, false, (tx) => {
      const output = write.run(tx, input, this.context);
      return () => output;
    });
  }

  /** Slices of ≤ 50 rows or 4 ms. */
  background<Input, State>(
    write: BackgroundWrite<Input, State>,
    input: Input,
    state: State,
    signal?: AbortSignal,
  ): Promise<State> {
    if (this.stopped !== 'no') return Promise.reject(this.refusal());
    let last = state;
    return new Promise((resolve, reject) => {
      const run = (tx: Tx): boolean => {
        if (signal?.aborted) return false;
        const { state: next, more } = write.slice(tx, input, last, this.context);
        last = next;
        return more;
      };
      this.slices.push({ run, resolve: () => resolve(last), reject });
      this.schedule();
    });
  }

  async syncWitness(): Promise<void> {
    this.parts.witness.sync();
  }

  /** Between groups, and without waiting for whoever reads. */
  async cutLog(): Promise<boolean> {
    if (this.stopped !== 'no') throw this.refusal();
    const { database } = this.parts.connection;
    database.pragma('busy_timeout = 0');
    try {
      const [answer] = database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
      return answer?.busy === 0;
    } finally {
      database.pragma(`busy_timeout = ${BUSY_MS_MAX}`);
    }
  }

  /** While it writes nobody here could ask. */
  waitingMs(): number {
    return 0;
  }

  onCommitted(listener: () => void): void {
    this.listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.stopped === 'no') this.stopped = 'closing';
    while (this.queue.length > 0) await new Promise((resolve) => setImmediate(resolve));
    for (const slice of this.slices.splice(0)) slice.reject(problem('shutting-down'));
  }

  private enqueue<T>(name: string, waits: boolean, run: (tx: Tx) => () => T): Promise<T> {
    if (this.stopped !== 'no') return Promise.reject(this.refusal());
    if (this.queue.lengthOf(waits) >= QUEUE_COMMANDS_MAX)
      return Promise.reject(problem('busy', 'too many writes are waiting'));
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ name, waits, run, resolve: (value) => resolve(value as T), reject });
      this.schedule();
    });
  }

  private refusal(): Problem {
    return problem(this.stopped === 'failed' ? 'storage-failed' : 'shutting-down');
  }

  private get context(): WriteContext {
    return this.parts;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.gather(0, 0);
  }

  /** Many small groups cost more than few large ones: a commit writes each page it touched once, however many touched it. */
  private gather(turns: number, seen: number): void {
    setImmediate(() => {
      const { length } = this.queue;
      const isGrowing = length > seen && length < GROUP_COMMANDS_MAX && turns < GATHER_TURNS_MAX;
      if (isGrowing && this.stopped === 'no') return this.gather(turns + 1, length);
      this.scheduled = false;
      this.drain();
      if (this.queue.length > 0 || this.slices.length > 0) this.schedule();
    });
  }

  private drain(): void {
    if (this.stopped === 'failed') return this.failEverything();
    const isBusy = this.queue.length > 0;
    if (isBusy) {
      this.commitGroup();
      this.groupsSinceSlice += 1;
    }
    if (this.slices.length > 0 && (!isBusy || this.groupsSinceSlice >= GROUPS_BEFORE_A_SLICE)) {
      this.groupsSinceSlice = 0;
      this.runSlice();
    }
  }

  private commitGroup(): void {
    const group: Task[] = [];
    let answers: (() => void)[];
    try {
      answers = this.runGroup(group);
      this.parts.connection.run('COMMIT');
    } catch (error) {
      this.failGroup(group, error);
      return;
    }
    if (!this.parts.isInPlace()) {
      const failure = this.fail(new Error('the database file or its log was replaced or deleted while it was open'));
      for (const task of group) task.reject(failure);
      return;
    }
    const moved = this.writeWitness();
    for (const answer of answers) answer();
    if (moved) for (const listener of this.listeners) listener();
  }

  /**
   * A savepoint sets the old content of each page aside that is touched in it, a fifth of what a sale cost. Few tasks fail,
   * and nearly all of those before they write. So the group goes without; when a task fails that has written, all is taken
   * back and done again, each task in a savepoint of its own.
   * @param group the tasks that were taken, filled here @returns their answers, to be given after the commit
   */
  private runGroup(group: Task[]): (() => void)[] {
    const { connection } = this.parts;
    let answers: (() => void)[] = [];
    let isGuarded = false;
    connection.run('BEGIN IMMEDIATE');
    for (const task of this.tasksOfGroup()) {
      group.push(task);
      const answer = isGuarded ? this.runGuarded(task) : this.runUnguarded(task);
      if (answer !== null) {
        answers.push(answer);
        continue;
      }
      connection.run('ROLLBACK');
      connection.run('BEGIN IMMEDIATE');
      answers = group.map((each) => this.runGuarded(each));
      isGuarded = true;
    }
    return answers;
  }

  /** Taken one by one, while those before are done: at least one, then as many as both bounds allow. */
  private *tasksOfGroup(): Generator<Task> {
    const startedMs = this.parts.stopwatch();
    let hasWaiting = false;
    for (let count = 0; count < GROUP_COMMANDS_MAX; count += 1) {
      if (count > 0 && this.parts.stopwatch() - startedMs >= GROUP_MS_MAX) break;
      const task = this.queue.next();
      if (task === undefined) return;
      hasWaiting ||= task.waits;
      yield task;
    }
    const waiting = hasWaiting ? undefined : this.queue.nextWaiting();
    if (waiting !== undefined) yield waiting;
  }

  /** @returns null when the task failed and has written @throws when the group must fail with it */
  private runUnguarded(task: Task): (() => void) | null {
    const { connection } = this.parts;
    const { runs } = connection;
    try {
      const finish = task.run(connection);
      if (!connection.database.inTransaction) throw new Error(`${task.name} left the transaction`);
      return answerOf(task, finish);
    } catch (error) {
      if (isStorageFailure(error) || !connection.database.inTransaction) throw error;
      return connection.runs === runs ? () => task.reject(error) : null;
    }
  }

  /** In its savepoint. @throws when the group must fail with it */
  private runGuarded(task: Task): () => void {
    const { connection } = this.parts;
    connection.run('SAVEPOINT task');
    let finish: () => unknown;
    try {
      finish = task.run(connection);
    } catch (error) {
      if (isStorageFailure(error) || !connection.database.inTransaction) throw error;
      connection.run('ROLLBACK TO task');
      connection.run('RELEASE task');
      return () => task.reject(error);
    }
    if (!connection.database.inTransaction) throw new Error(`${task.name} left the transaction`);
    connection.run('RELEASE task');
    return answerOf(task, finish);
  }

  private runSlice(): void {
    const slice = this.slices[0];
    if (slice === undefined) return;
    const { connection } = this.parts;
    try {
      connection.run('BEGIN IMMEDIATE');
      const more = slice.run(connection);
      connection.run('COMMIT');
      if (more) return;
      this.slices.shift();
      slice.resolve();
    } catch (error) {
      this.slices.shift();
      const failure = this.rollBack(error);
      slice.reject(failure ?? error);
    }
  }

  private failGroup(group: Task[], error: unknown): void {
    const failure = this.rollBack(error) ?? error;
    // Those who would have been next meet the same disk: told now, they need not wait for it again. And of a group that
    // could not even begin somebody must be told, whatever it was: to try for ever would be to answer nobody.
    const others =
      group.length === 0 || isStorageFailure(error) ? this.queue.take(GROUP_COMMANDS_MAX - group.length) : [];
    for (const task of [...group, ...others]) task.reject(failure);
  }

  /** Leaves no transaction behind. @returns the storage problem to answer with; null when the error is a bug of the work itself */
  private rollBack(error: unknown): unknown {
    const { database } = this.parts.connection;
    try {
      if (database.inTransaction) this.parts.connection.run('ROLLBACK');
    } catch (secondError) {
      return this.fail(secondError as Error);
    }
    const failure = failureOf(error);
    if (failure === 'full') return problem('storage-full', 'the disk is full: nothing of this was written');
    if (failure === 'busy') return problem('busy', 'another program holds the database');
    if (failure === 'fatal') return this.fail(error as Error);
    return null;
  }

  private fail(error: Error): unknown {
    if (this.stopped !== 'failed') {
      this.stopped = 'failed';
      this.parts.onFatal(error);
    }
    return problem('storage-failed', 'the store cannot write; it starts again');
  }

  private failEverything(): void {
    for (const task of this.queue.take(this.queue.length)) task.reject(problem('storage-failed'));
    for (const slice of this.slices.splice(0)) slice.reject(problem('storage-failed'));
  }

  /** @returns whether the head moved */
  private writeWitness(): boolean {
    const head = readHead(this.parts.connection);
    if (head === null || head.hash === this.witnessedHash) return false;
    const rows = this.parts.connection.all<{ name: string; last: number }>(
      `SELECT till || '/' || series AS name, last FROM receipt_counter WHERE epoch = ?`,
      head.epoch,
    );
    const counters = Object.fromEntries(rows.map(({ name, last }) => [name, last]));
    const { incarnation, epoch, seq, hash } = head;
    this.parts.witness.write({ incarnation, epoch, seq, hash, counters });
    this.witnessedHash = hash;
    return true;
  }
}

/** To be given after the commit. */
function answerOf(task: Task, finish: () => unknown): () => void {
  return () => {
    try {
      task.resolve(finish());
    } catch (error) {
      task.reject(error);
    }
  };
}
