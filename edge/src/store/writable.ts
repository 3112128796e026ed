import { statSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { judgeBox, judgeWitness, markIncarnationDue } from './incarnation.js';
import { openingFailure } from './storage-failure.js';
import { BUSY_MS_MAX, Connection } from './tx.js';
import { Witness } from './witness.js';
import { Writer, type WriterParts } from './writer.js';

/** A group of 64 sales touches some 150 pages of 4 KB. */
const CACHE_KB = 2_048;

/**
 * The writer's connection, the only one that writes. `synchronous=FULL`: better-sqlite3's WAL default, NORMAL, loses
 * acknowledged sales in a power cut. The schema is there already (database.ts). Without TypeORM: the writer's thread
 * loads this.
 */
export function openWritable(file: string): Connection {
  const database = new BetterSqlite3(file, { fileMustExist: true, timeout: BUSY_MS_MAX });
  database.pragma('foreign_keys = ON');
  database.pragma(`cache_size = -${CACHE_KB}`);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  // What was deleted is overwritten: a person who is erased is in no free page either.
  database.pragma('secure_delete = ON');
  // What a statement of several rows may have to take back would go through a file.
  database.pragma('temp_store = MEMORY');
  return new Connection(database);
}

/**
 * SQLite writes on without a word into a file that was replaced or deleted under it, or into such a log, and with the process
 * all of that is gone. So the writer asks after each commit, before it answers; two stats take some microseconds.
 */
function placeCheck(file: string, { database }: Connection): () => boolean {
  const places = [file, `${file}-wal`].map((path) => ({ path, opened: statSync(path) }));
  return () => {
    const isInPlace = places.every(({ path, opened }) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.ino === opened.ino && found.dev === opened.dev;
    });
    if (!isInPlace) saveFromLog(database);
    return isInPlace;
  };
}

/** Of a log that was taken away only this process has what was answered since the last checkpoint. */
function saveFromLog(database: BetterSqlite3.Database): void {
  try {
    database.pragma('wal_checkpoint(FULL)');
  } catch {
    // The next start judges by the witness what is there.
  }
}

export type WritingParts = Omit<WriterParts, 'connection' | 'witness' | 'isInPlace'> & {
  databaseFile: string;
  witnessFile: string;
  alarm(message: string): void;
};

/** A writer on its file and its witness. */
export type Writing = { writer: Writer; witness: Witness; close(): Promise<void> };

/** Decides, by the file's witness, whether its incarnation may go on. @throws EnvironmentFailure */
export function openWriting({ databaseFile, witnessFile, alarm, ...parts }: WritingParts): Writing {
  const connection = openWritable(databaseFile);
  try {
    const witness = Witness.open(witnessFile, alarm);
    for (const due of [judgeWitness(connection, witness.found), judgeBox(connection, parts.box.box)]) {
      if (due === null) continue;
      connection.database.transaction(() => markIncarnationDue(connection, due)).immediate();
      alarm(`${due.reason}: nothing more is written to this incarnation as it is, the next line opens a new one`);
    }
    witness.startSyncing();
    const writer = new Writer({ ...parts, connection, witness, isInPlace: placeCheck(databaseFile, connection) });
    return {
      writer,
      witness,
      close: async () => {
        await writer.close();
        witness.close();
        connection.database.close();
      },
    };
  } catch (error) {
    connection.database.close();
    throw openingFailure(databaseFile, error);
  }
}
