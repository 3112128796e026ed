import { rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BadInput } from '@branchline/http/exit.js';
import type { ChainDatabase } from '../chain/chain-database.js';
import { stopLeftDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import type { Credentials } from '../chain/hub-client.js';
import { writePrivateJson } from '../chain/private-file.js';
import { REPLAY_TILL } from '../complete-journey/basket-to-sale.js';
import { ReplayFolder } from './replay-folder.js';
import { EDGE_RHYTHM, IMPORTER } from './replay-store.js';

export interface ToLeave {
  chain: Chain;
  database: ChainDatabase;
  folder: ReplayFolder;
  branches: readonly string[];
  headOffice: Credentials;
  tell: (line: string) => void;
}

/** Hub, database and these edges go on when this process ends, in order to be asked. Says where they are and how to end them. */
export async function leaveRunning({ chain, database, folder, branches, headOffice, tell }: ToLeave): Promise<void> {
  const boxes = await chain.standAlone(branches, EDGE_RHYTHM);
  const { url, pid } = chain.hub;
  const edges = boxes.map((box) => ({
    branch: box.branch,
    url: box.url,
    pid: box.pid,
    database: join(folder.path, 'edges', box.branch, 'edge.db'),
    line: null,
  }));
  writePrivateJson(folder.file('fleet.json'), { hub: { url, pid, databaseUrl: database.url }, edges });
  writePrivateJson(folder.file('sign-ins.json'), {
    headOffice: { url, ...headOffice },
    branches: boxes.map((box) => signInOf(folder, box.branch, box.url)),
  });
  chain.release();
  database.release();
  tell(`left running  hub ${url}  ${headOffice.email}  password ${headOffice.password}`);
  for (const edge of edges) tell(`left running  ${edge.branch} ${edge.url}`);
  tell(`fleet         ${folder.file('fleet.json')}`);
  tell(`sign-ins      ${folder.file('sign-ins.json')}`);
  tell(`end it with   npm run replay -- --stop --data ${folder.path}`);
}

function signInOf(folder: ReplayFolder, branch: string, url: string): object {
  const state = folder.readStore(branch);
  const operators = [{ ...IMPORTER, pin: state?.pin }];
  return { branch, url, till: REPLAY_TILL, deviceToken: state?.deviceToken, operators };
}

/** Ends what `leaveRunning`, or a replay that was killed, has left of that folder. The data stay. @returns what was stopped */
export async function stopLeft(dataDir: string): Promise<string[]> {
  const path = resolve(dataDir);
  if (!ReplayFolder.isReplay(path)) throw new BadInput(`--data ${path}: no replay`);
  const folder = ReplayFolder.open(path);
  try {
    const stopped = await Chain.stopOrphans(path);
    const isDatabaseStopped = await stopLeftDatabase(path);
    for (const name of ['fleet.json', 'sign-ins.json'] as const) rmSync(folder.file(name), { force: true });
    return [...stopped, ...(isDatabaseStopped ? ['PostgreSQL'] : [])];
  } finally {
    folder.close(true);
  }
}
