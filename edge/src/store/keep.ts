import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import BetterSqlite3 from 'better-sqlite3';
import { lockFolder, openLocked, type EdgeDatabase } from './database.js';
import { examineFile } from './doctor.js';
import { forgetPersons } from './forget-persons.js';
import { readHead } from './journal.js';
import { freeName } from './private-file.js';
import { rebuild, type RebuildParts, type Rebuilt } from './rebuild.js';
import { isStorageFailure } from './storage-failure.js';
import { Connection } from './tx.js';

const BUSY_MS_MAX = 10_000;

export type BackedUp = { seq: number; bytes: number };

/**
 * Writes a whole copy of the file as of one moment, and proves the copy before it bears its name. A running edge sells on:
 * this reads through a connection of its own, and only checkpoints wait for it. (SQLite's page-by-page backup, from
 * outside the writer's connection, begins again with each commit and never ended on a busy file.) Persons are in it sealed alone.
 *
 * @throws BadInput when `to` exists; EnvironmentFailure with what the disk said, or with what is wrong with the copy
 */
export function backUp(databaseFile: string, to: string): BackedUp {
  if (existsSync(to)) throw new BadInput(`${to} exists already`);
  if (!existsSync(databaseFile)) throw new EnvironmentFailure(`there is no ${databaseFile}`);
  const part = `${to}.part`;
  try {
    removeFile(part);
    // Made here, for its mode: what a store sold is not for everybody.
    writeFileSync(part, '', { mode: 0o600, flag: 'wx' });
    copyInto(databaseFile, part);
    forgetPersons(part);
    const seq = proveCopy(part);
    syncFile(part);
    renameSync(part, to);
    syncFile(dirname(to));
    return { seq, bytes: statSync(to).size };
  } catch (error) {
    removeFile(part);
    if (error instanceof EnvironmentFailure) throw error;
    throw new EnvironmentFailure(`no backup of ${databaseFile}: ${(error as Error).message}`, { cause: error });
  }
}

function copyInto(databaseFile: string, to: string): void {
  const source = new BetterSqlite3(databaseFile, { readonly: true, fileMustExist: true, timeout: BUSY_MS_MAX });
  try {
    source.prepare('VACUUM INTO ?').run(to);
  } finally {
    source.close();
  }
}

/** @returns the last line's number */
function proveCopy(file: string): number {
  const copy = new BetterSqlite3(file, { readonly: true, fileMustExist: true });
  try {
    const reads = new Connection(copy);
    const wrong = examineFile(reads).filter(({ well }) => !well);
    if (wrong.length > 0) {
      const reasons = wrong.map(({ what, detail }) => `${what}: ${detail}`).join('; ');
      throw new EnvironmentFailure(`no backup, the file itself is damaged: ${reasons}`);
    }
    return readHead(reads)?.seq ?? 0;
  } finally {
    copy.close();
  }
}

/**
 * Puts a backup in the place of the file; the one it replaces stays beside it as `.before-restore`, for it may hold sales
 * that nobody else has: a second restore keeps a second one, and either can be restored in turn. The witness stays as it
 * is: on its next start the edge sees that the file is behind it and opens a new incarnation, so nothing that was told
 * meanwhile is contradicted.
 *
 * @throws BadInput for what is no file; EnvironmentFailure with what the disk said, and all is as it was
 */
export async function restore(databaseFile: string, from: string): Promise<void> {
  const found = statSync(from, { throwIfNoEntry: false });
  if (!found?.isFile()) throw new BadInput(found ? `${from} is no file` : `${from} does not exist`);
  const beside = `${databaseFile}.restoring`;
  await atWork('restore', databaseFile, beside, async () => {
    // With the log of one that was set aside: what was told last may be there alone.
    copyFile(from, beside);
    // Opening proves that it is a file of ours and of a release this one can read.
    const restored = await openLocked(beside);
    try {
      bringLogHome(restored);
    } finally {
      restored.close();
    }
    syncFile(beside);
    setAside(databaseFile, 'before-restore');
    replaceFile(beside, databaseFile);
  });
}

/**
 * Makes the file anew from its own journal and puts it in its place; the old one stays beside it as `.before-rebuild`.
 *
 * @throws EnvironmentFailure with what the disk said, and all is as it was; what `rebuild` throws
 */
export async function rebuildInPlace(databaseFile: string, parts: RebuildParts): Promise<Rebuilt> {
  const beside = `${databaseFile}.rebuilding`;
  return atWork('rebuild', databaseFile, beside, async () => {
    removeFile(beside);
    const rebuilt = await rebuildBeside(databaseFile, beside, parts);
    syncFile(beside);
    setAside(databaseFile, 'before-rebuild');
    replaceFile(beside, databaseFile);
    return rebuilt;
  });
}

async function rebuildBeside(from: string, to: string, parts: RebuildParts): Promise<Rebuilt> {
  const source = await openExisting(from);
  try {
    const target = await openLocked(to);
    try {
      const rebuilt = rebuild(source.reads, target.connection, parts);
      bringLogHome(target);
      return rebuilt;
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

/**
 * Only the file itself is put in the place of another. The last one to close would bring the log home as well, and say nothing when
 * the disk refuses: what was told last would be left behind.
 * @throws what SQLite says of the disk
 */
function bringLogHome({ connection }: EdgeDatabase): void {
  const [answer] = connection.database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
  if (answer?.busy !== 0) throw new Error('somebody else reads what was just written');
}

/** With the folder locked. What was begun beside the file goes when the work fails. */
async function atWork<T>(what: string, databaseFile: string, beside: string, work: () => Promise<T>): Promise<T> {
  const unlock = lockFolder(dirname(databaseFile));
  try {
    return await work();
  } catch (error) {
    removeFile(beside);
    if (!isOfTheDisk(error)) throw error;
    throw new EnvironmentFailure(`no ${what} of ${databaseFile}: ${(error as Error).message}`, { cause: error });
  } finally {
    unlock();
  }
}

/** Said by the file system or by SQLite of the file system; anything else is a bug, or damage that is told where it is found. */
function isOfTheDisk(error: unknown): boolean {
  return isStorageFailure(error) || (error as NodeJS.ErrnoException).syscall !== undefined;
}

async function openExisting(databaseFile: string): Promise<EdgeDatabase> {
  if (!existsSync(databaseFile)) throw new EnvironmentFailure(`there is no ${databaseFile}`);
  return openLocked(databaseFile);
}

/** Never over one of before, and on disk before the file itself is touched; whole or not at all. */
function setAside(file: string, suffix: string): void {
  const to = freeName(`${file}.${suffix}`);
  try {
    copyFile(file, to);
    // The file may be what is gone: that is why somebody restores.
    if (existsSync(to)) forgetWherePossible(to);
  } catch (error) {
    removeFile(to);
    throw error;
  }
  syncFile(dirname(to));
}

/** Of a file that is too damaged to be written to all is kept: it may hold sales that nobody else has. */
function forgetWherePossible(copy: string): void {
  try {
    forgetPersons(copy);
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  syncFile(copy);
}

function isDamage(error: unknown): boolean {
  return ['SQLITE_CORRUPT', 'SQLITE_NOTADB'].some((code) => (error as { code?: string }).code?.startsWith(code));
}

/** With its write-ahead log: what a kill left there is committed as well. */
function copyFile(from: string, to: string): void {
  removeFile(to);
  for (const rest of ['-wal', '']) {
    if (!existsSync(`${from}${rest}`)) continue;
    copyFileSync(`${from}${rest}`, `${to}${rest}`);
    syncFile(`${to}${rest}`);
  }
}

/** With the log that an interrupted run left: SQLite would replay it into whatever bears the name next. */
function removeFile(file: string): void {
  for (const rest of ['', '-wal', '-shm']) rmSync(`${file}${rest}`, { force: true });
}

/** The write-ahead log belongs to the file that goes: left behind, SQLite would replay it into the one that comes. */
function replaceFile(from: string, to: string): void {
  for (const rest of [`${to}-wal`, `${to}-shm`]) rmSync(rest, { force: true });
  renameSync(from, to);
  syncFile(dirname(to));
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
