import { closeSync, copyFileSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { lockFolder, openLocked, type EdgeDatabase } from './database.js';
import { rebuild, type RebuildParts, type Rebuilt } from './rebuild.js';

/** Writes a whole copy of the file. The edge must be stopped: the lock says so. */
export async function backUp(databaseFile: string, to: string): Promise<void> {
  if (existsSync(to)) throw new BadInput(`${to} exists already`);
  await whileLocked(databaseFile, async () => {
    const database = await openExisting(databaseFile);
    try {
      await database.connection.database.backup(to);
      syncFile(to);
    } finally {
      await database.close();
    }
  });
}

/**
 * Puts a backup in the place of the file; the one it replaces stays beside it as `.before-restore`, for it may hold sales
 * that nobody else has. The witness stays as it is: on its next start the edge sees that the file is behind it and opens
 * a new incarnation, so nothing that was told meanwhile is contradicted.
 */
export async function restore(databaseFile: string, from: string): Promise<void> {
  if (!existsSync(from)) throw new BadInput(`${from} does not exist`);
  await whileLocked(databaseFile, async () => {
    const beside = `${databaseFile}.restoring`;
    removeFile(beside);
    copyFileSync(from, beside);
    // Opening proves that it is a file of ours and of a release this one can read.
    await (await openLocked(beside)).close();
    syncFile(beside);
    setAside(databaseFile, `${databaseFile}.before-restore`);
    replaceFile(beside, databaseFile);
  });
}

/** Makes the file anew from its own journal and puts it in its place; the old one stays beside it as `.before-rebuild`. */
export async function rebuildInPlace(databaseFile: string, parts: RebuildParts): Promise<Rebuilt> {
  return whileLocked(databaseFile, async () => {
    const beside = `${databaseFile}.rebuilding`;
    removeFile(beside);
    const rebuilt = await rebuildBeside(databaseFile, beside, parts);
    syncFile(beside);
    copyFileSync(databaseFile, `${databaseFile}.before-rebuild`);
    replaceFile(beside, databaseFile);
    return rebuilt;
  });
}

async function rebuildBeside(from: string, to: string, parts: RebuildParts): Promise<Rebuilt> {
  const source = await openExisting(from);
  try {
    const target = await openLocked(to);
    try {
      return rebuild(source.reads, target.connection, parts);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function whileLocked<T>(databaseFile: string, work: () => Promise<T>): Promise<T> {
  const unlock = lockFolder(dirname(databaseFile));
  try {
    return await work();
  } finally {
    unlock();
  }
}

async function openExisting(databaseFile: string): Promise<EdgeDatabase> {
  if (!existsSync(databaseFile)) throw new EnvironmentFailure(`there is no ${databaseFile}`);
  return openLocked(databaseFile);
}

/** With its write-ahead log: what a kill left there is committed as well. */
function setAside(file: string, to: string): void {
  removeFile(to);
  for (const rest of ['-wal', '']) if (existsSync(`${file}${rest}`)) copyFileSync(`${file}${rest}`, `${to}${rest}`);
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
