import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';

/**
 * Gives the work a folder of its own in `parent` and removes it afterwards. Open to others: as root, PostgreSQL runs as
 * another user. @throws EnvironmentFailure when it cannot be made
 */
export async function inScratchFolder<T>(work: (folder: string) => Promise<T>, parent = tmpdir()): Promise<T> {
  const folder = makeScratchFolder(parent);
  try {
    chmodSync(folder, 0o755);
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeScratchFolder(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'branchline-scratch-'));
  } catch (error) {
    throw new EnvironmentFailure(`no folder can be made in ${parent}: ${(error as Error).message}`);
  }
}

/** What a person's shell would have: without the settings of the npm that runs us, and with no database server of one's own. */
export function plainEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const ours =
    /^(npm_(lifecycle|package|command|execpath|node_execpath)|npm_config_(local_)?prefix$|INIT_CWD$|NODE_ENV$|DATABASE_URL$)/;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !ours.test(name)));
}
