import { dirname } from 'node:path';
import type { Clock } from '@branchline/domain/clock.js';
import type { EdgeConfig } from '../config.js';
import type { BoxIdentity } from './box.js';
import type { Appliers, FetchedApplier, ReferenceMover } from './command.js';
import { lockFolder, openMigrated } from './database.js';
import type { ThreadedWriter, ThreadedWriterParts } from './threaded-writer.js';
import type { Connection, ReadTx } from './tx.js';
import type { Witness } from './witness.js';
import { openWriting } from './writable.js';
import type { StoreWriter } from './write-job.js';
import type { Writer } from './writer.js';

type Files = { config: Pick<EdgeConfig, 'databaseFile' | 'witnessFile'>; box: BoxIdentity };

export type StoreParts = Files &
  ThreadedWriterParts & {
    appliers: Appliers;
    moveReference: ReferenceMover;
    applyFetched: FetchedApplier;
    clock: Clock;
    newId: () => string;
    /** Milliseconds from any start; the process's own unless given. */
    stopwatch?: () => number;
  };

/** `close`: of the writer and what it holds. */
type StoreEnd = { close(): Promise<void>; unlock(): void };

/** The store's file as the capabilities see it: one writer, committed reads, who the box is. */
export class Store<W extends StoreWriter = StoreWriter> {
  protected constructor(
    readonly box: BoxIdentity,
    readonly writer: W,
    private readonly connection: Connection,
    private readonly end: StoreEnd,
  ) {}

  /** With its writer here: time, ids and rows are those that are handed in. @throws EnvironmentFailure */
  static async open(parts: StoreParts): Promise<OwnStore> {
    const { config, stopwatch = () => performance.now(), ...rest } = parts;
    return withFile(config.databaseFile, (reads, unlock) => {
      const { writer, witness, close } = openWriting({ ...rest, ...filesOf(config), stopwatch });
      return Promise.resolve(new OwnStore(parts.box, writer, reads, { close, unlock }, witness));
    });
  }

  /** With its writer in a thread, which runs the product's own writes by the wall clock. @throws EnvironmentFailure */
  static async openThreaded(
    { config, box, ...parts }: Files & { config: Pick<EdgeConfig, 'dataDir'> } & ThreadedWriterParts,
    writer: ThreadedWriter,
  ): Promise<Store> {
    return withFile(config.databaseFile, async (reads, unlock) => {
      await writer.open({ dataDir: config.dataDir, ...filesOf(config) }, parts);
      return new Store(box, writer, reads, { close: () => writer.close(), unlock });
    });
  }

  /** Point reads of committed data. Anything that scans belongs to the reader (reader.ts). */
  get reads(): ReadTx {
    return this.connection;
  }

  /** What is queued is still written; nobody may read any more. */
  async close(): Promise<void> {
    // The last one to leave brings the log home, and this one may not write.
    this.connection.database.close();
    await this.end.close();
    this.end.unlock();
  }
}

/** One whose writer and witness are at hand. */
export class OwnStore extends Store<Writer> {
  constructor(
    box: BoxIdentity,
    writer: Writer,
    connection: Connection,
    end: StoreEnd,
    readonly witness: Witness,
  ) {
    super(box, writer, connection, end);
  }
}

function filesOf({ databaseFile, witnessFile }: Files['config']): Files['config'] {
  return { databaseFile, witnessFile };
}

/** Locks the folder, brings the schema forward; whatever goes wrong in `work`, both are given back. */
async function withFile<T>(file: string, work: (reads: Connection, unlock: () => void) => Promise<T>): Promise<T> {
  const unlock = lockFolder(dirname(file));
  try {
    const reads = await openMigrated(file);
    try {
      return await work(reads, unlock);
    } catch (error) {
      reads.database.close();
      throw error;
    }
  } catch (error) {
    unlock();
    throw error;
  }
}
