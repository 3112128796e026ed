import type { Clock } from '@branchline/domain/clock.js';
import type { EdgeConfig } from '../config.js';
import type { BoxIdentity } from './box.js';
import type { Appliers, ReferenceMover } from './command.js';
import { openDatabase, type EdgeDatabase } from './database.js';
import { judgeWitness, markIncarnationDue } from './incarnation.js';
import { journalAgain, type ForkAt } from './journal-again.js';
import type { ReadTx } from './tx.js';
import { Witness } from './witness.js';
import { Writer } from './writer.js';

export type StoreParts = {
  config: Pick<EdgeConfig, 'databaseFile' | 'witnessFile'>;
  box: BoxIdentity;
  appliers: Appliers;
  moveReference: ReferenceMover;
  clock: Clock;
  newId: () => string;
  /** Milliseconds from any start; the process's own unless given. */
  stopwatch?: () => number;
  alarm(message: string): void;
  onFatal(error: Error): void;
};

/** The store's file as the capabilities see it: one writer, committed reads, who the box is. */
export class Store {
  private constructor(
    private readonly parts: StoreParts,
    private readonly database: EdgeDatabase,
    readonly witness: Witness,
    readonly writer: Writer,
  ) {}

  /** Opens the file and decides, by its witness, whether its incarnation may go on. @throws EnvironmentFailure */
  static async open(parts: StoreParts): Promise<Store> {
    const database = await openDatabase(parts.config.databaseFile);
    try {
      const witness = Witness.open(parts.config.witnessFile, parts.alarm);
      const { connection } = database;
      const due = judgeWitness(connection, witness.found);
      if (due !== null) {
        connection.database.transaction(() => markIncarnationDue(connection, due.reason, due.epochAbove)).immediate();
        parts.alarm(`${due.reason}: nothing more is written to this incarnation, the next line opens a new one`);
      }
      witness.startSyncing();
      const { box, appliers, clock, newId, onFatal, stopwatch = () => performance.now() } = parts;
      const { isInPlace } = database;
      const writer = new Writer({ connection, appliers, box, witness, clock, newId, isInPlace, stopwatch, onFatal });
      return new Store(parts, database, witness, writer);
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  get box(): BoxIdentity {
    return this.parts.box;
  }

  /** Point reads of committed data. Anything that scans belongs to the reader (reader.ts). */
  get reads(): ReadTx {
    return this.database.reads;
  }

  /** See `journal-again.ts`. @returns how many lines were journalled again */
  journalAgain(fork: ForkAt): Promise<number> {
    return this.writer.local('journal-again', (tx) => journalAgain(tx, fork, this.parts));
  }

  async close(): Promise<void> {
    await this.writer.close();
    this.witness.close();
    await this.database.close();
  }
}
