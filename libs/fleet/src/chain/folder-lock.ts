import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import BetterSqlite3 from 'better-sqlite3';

const LOCK = 'supervisor.lock';
/** On its way to the lock each of two holds up the other for an instant; who waits no time at all is refused with it. */
const LOCK_MS_MAX = 250;
/** Whose it is, for whoever asks. */
const OWNER = 'supervisor.pid';
/** Ours in a data folder. */
export const LOCK_FILES: readonly string[] = [LOCK, OWNER];

/** A connection that nobody refers to is closed with the next collection of garbage, and its lock with it. */
const held = new Set<BetterSqlite3.Database>();

/**
 * One living supervisor a folder. As an edge holds its own: an open transaction on a file of its own, which goes with the
 * process, however that ends. So nothing is ever stale, and of two that come at once one is refused, which no file with a
 * pid in it could promise.
 *
 * @returns what gives it back @throws EnvironmentFailure
 */
export function lockFolder(folder: string): () => void {
  const owner = join(folder, OWNER);
  let lock: BetterSqlite3.Database | undefined;
  try {
    lock = new BetterSqlite3(join(folder, LOCK), { timeout: LOCK_MS_MAX });
    // Nothing is ever written into it: a journal would only be one more file that a kill leaves.
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
    writeFileSync(owner, `${process.pid}\n`);
  } catch (error) {
    lock?.close();
    const isTaken = (error as { code?: string }).code === 'SQLITE_BUSY';
    throw new EnvironmentFailure(
      isTaken ? `${folder} is in use by ${nameOf(owner)}` : `cannot write into ${folder}: ${(error as Error).message}`,
    );
  }
  const mine = lock;
  held.add(mine);
  return () => {
    rmSync(owner, { force: true });
    mine.close();
    held.delete(mine);
  };
}

/** Written a moment after the lock is taken. */
function nameOf(owner: string): string {
  try {
    return `process ${readFileSync(owner, 'utf8').trim()}`;
  } catch {
    return 'another process';
  }
}
