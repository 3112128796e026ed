import type { Clock } from '@branchline/domain/clock.js';
import type { BoxIdentity } from './box.js';
import type { Command, FetchedApplier, ReferenceMover } from './command.js';
import type { Tx } from './tx.js';

/** What a write may use beside its rows and its input. */
export type WriteContext = {
  box: BoxIdentity;
  clock: Clock;
  newId: () => string;
  moveReference: ReferenceMover;
  applyFetched: FetchedApplier;
  /** Milliseconds from any start; only differences count. */
  stopwatch(): number;
};

/**
 * A write of tables whose origin is `local` or `feed`: no lines, a savepoint of its own. It may be done in another thread, so
 * what goes in and comes out is plain data (as JSON keeps it), and it is known there by its name.
 */
export interface LocalWrite<Input, Output> {
  readonly name: string;
  run(tx: Tx, input: Input, context: WriteContext): Output;
}

/**
 * Long work in slices, each a transaction of its own between the groups of sales. `state` is what the slice before left,
 * the caller's to begin with. Plain data, as with a `LocalWrite`.
 */
export interface BackgroundWrite<Input, State> {
  readonly name: string;
  slice(tx: Tx, input: Input, state: State, context: WriteContext): Slice<State>;
}

export type Slice<State> = { state: State; more: boolean };

export type WrittenBy = { actor: string | null; device: string | null };

/** The one who writes, as the capabilities see it: here (`Writer`) or in a thread of its own (`ThreadedWriter`). */
export interface StoreWriter {
  /** Decides, journals and applies a command; resolves once it is committed. @throws what `decide` throws, or a storage problem */
  execute<Input, Outcome>(command: Command<Input, Outcome>, input: Input, by: WrittenBy): Promise<Outcome>;
  /** @throws what it throws, or a storage problem */
  write<Input, Output>(write: LocalWrite<Input, Output>, input: Input): Promise<Output>;
  /** @returns the last slice's state; aborted, it ends after the slice that runs */
  background<Input, State>(
    write: BackgroundWrite<Input, State>,
    input: Input,
    state: State,
    signal?: AbortSignal,
  ): Promise<State>;
  /** After a commit that moved the journal's head. */
  onCommitted(listener: () => void): void;
  /** What the witness was last told is on the disk when it resolves, or was alarmed about. */
  syncWitness(): Promise<void>;
  /** Brings the log home and cuts it to nothing: what was erased is in it no more. @returns false while somebody reads from it */
  cutLog(): Promise<boolean>;
  /** For how long nothing has been written although somebody waits for it; 0: nobody waits. */
  waitingMs(): number;
  /** Takes no more; what is queued is still done. */
  close(): Promise<void>;
}
