import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { startMarkOf } from '../process-table.js';

/** Ours in a data folder. */
export const FOLDER_LOCK = 'supervisor.pid';

/** One living supervisor a folder; that of a process which was killed is taken over. @returns what gives it back @throws EnvironmentFailure */
export function lockFolder(folder: string): () => void {
  const lock = join(folder, FOLDER_LOCK);
  const [pid = '', mark] = existsSync(lock) ? readFileSync(lock, 'utf8').split('\n') : [];
  if (Number(pid) !== process.pid && mark && startMarkOf(Number(pid)) === mark) {
    throw new EnvironmentFailure(`${folder} is in use by process ${pid}`);
  }
  try {
    writeFileSync(lock, `${process.pid}\n${startMarkOf(process.pid) ?? ''}\n`);
  } catch (error) {
    throw new EnvironmentFailure(`cannot write into ${folder}: ${(error as Error).message}`);
  }
  return () => rmSync(lock, { force: true });
}
