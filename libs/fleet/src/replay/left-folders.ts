import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { databaseNameFor, removeLeftDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import { lockFolder } from '../chain/folder-lock.js';
import { TEMPORARY_PREFIX, THROWAWAY } from './replay-folder.js';

/** At a time: each may have processes to end and gigabytes to delete. */
const LEFT_MAX = 16;

/**
 * Removes the temporary folders of replays that were killed, with the databases they had. Only what is provably such a
 * one: made by this user, marked by a replay as nobody's to keep, and without the living process that marked it.
 */
export async function removeLeftFolders(serverUrl: string | undefined, tell: (line: string) => void): Promise<void> {
  const left = readdirSync(tmpdir())
    .filter((name) => name.startsWith(TEMPORARY_PREFIX))
    .map((name) => join(tmpdir(), name))
    .filter(isThrowaway);
  for (const folder of left.slice(0, LEFT_MAX)) {
    const unlock = lockIfLeft(folder);
    if (!unlock) continue;
    try {
      await Chain.stopOrphans(folder);
      await removeLeftDatabase({ dataDir: folder, serverUrl, name: databaseNameFor('replay', folder, serverUrl) });
      rmSync(folder, { recursive: true, force: true });
    } finally {
      unlock();
    }
    tell(`removed ${folder}, which a replay that was killed had left`);
  }
}

/** The temporary folder is everybody's: what is a link, or was made by another user, is none of ours. */
function isThrowaway(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && existsSync(join(folder, THROWAWAY));
}

/** Null while its replay lives. */
function lockIfLeft(folder: string): (() => void) | null {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof EnvironmentFailure) return null;
    throw error;
  }
}
