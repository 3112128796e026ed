import { randomInt } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Clock } from '@branchline/domain/clock.js';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { type ChainDatabase, openChainDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import type { Credentials } from '../chain/hub-client.js';
import { makeFolder, writePrivateJson } from '../chain/private-file.js';
import { assertBuilt } from '../chain/programs.js';
import type { ReplayInput } from './replay-input.js';
import { type ReplayOutcome, runReplay, TENANT } from './run-replay.js';

export interface ReplayRequest {
  input: ReplayInput;
  boxes: number;
  withOutage: boolean;
  /** Leaves hub, database and the last edges running. */
  keep: boolean;
  /** Kept; absent: a temporary folder, removed in the end. */
  dataDir: string | undefined;
  /** A PostgreSQL server of the user's own; absent: an embedded one. */
  databaseUrl: string | undefined;
  clock: Clock;
  chance: () => number;
  signal: AbortSignal;
  tell: (line: string) => void;
}

/** A chain of its own for one replay. However it ends, nothing is left running, unless it is to be kept. */
export async function replayChain(request: ReplayRequest): Promise<ReplayOutcome> {
  const { dataDir: wanted, databaseUrl, keep } = request;
  assertBuilt();
  const dataDir = wanted === undefined ? temporaryFolder() : emptyFolder(wanted);
  const isTemporary = wanted === undefined && !keep;
  const durability = isTemporary ? 'throwaway' : 'full';
  const name = databaseUrl === undefined ? 'branchline' : `branchline_replay_${process.pid}`;
  const database = await cleaningUp(
    () => openChainDatabase({ dataDir, serverUrl: databaseUrl, name, durability }),
    () => removeFolder(dataDir, wanted === undefined),
  );
  let isKept = false;
  try {
    const outcome = await inChain(request, dataDir, database);
    isKept = keep;
    return outcome;
  } finally {
    if (isKept) {
      database.release();
    } else {
      await database.stop();
      if (wanted === undefined || databaseUrl !== undefined) await database.remove();
      removeFolder(dataDir, wanted === undefined);
    }
  }
}

async function inChain(request: ReplayRequest, dataDir: string, database: ChainDatabase): Promise<ReplayOutcome> {
  const { clock, signal, tell, keep } = request;
  const chain = await Chain.start({ dataDir, database, hubPort: 0, clock, signal });
  let isKept = false;
  try {
    tell(`hub at ${chain.hub.url}`);
    const { email, password } = await chain.createTenant(TENANT);
    const headOffice = chain.signIn({ email, password });
    try {
      const outcome = await runReplay({ ...request, chain, headOffice, newPin });
      if (keep) await leaveRunning(chain, { dataDir, database, credentials: { email, password } }, tell);
      isKept = keep;
      return outcome;
    } finally {
      headOffice.close();
    }
  } finally {
    if (!isKept) await chain.stop();
  }
}

interface Left {
  dataDir: string;
  database: ChainDatabase;
  credentials: Credentials;
}

/** Says where everything is, and how to end it. */
async function leaveRunning(chain: Chain, left: Left, tell: (line: string) => void): Promise<void> {
  const { dataDir, database, credentials } = left;
  const boxes = await chain.leaveRunning();
  const hub = { url: chain.hub.url, pid: chain.hub.pid, databaseUrl: database.url };
  const edges = boxes.map(({ branch, url, pid }) => ({
    branch,
    url,
    pid,
    database: join(dataDir, 'edges', branch, 'edge.db'),
    line: null,
  }));
  writePrivateJson(join(dataDir, 'fleet.json'), { hub, edges });
  writePrivateJson(join(dataDir, 'sign-ins.json'), { headOffice: { url: hub.url, ...credentials } });
  tell(`left running: hub ${hub.url} (sign-in in ${join(dataDir, 'sign-ins.json')})`);
  for (const { branch, url } of edges) tell(`left running: ${branch} ${url}`);
  const pids = [...edges.map(({ pid }) => pid), hub.pid];
  const thenDatabase = database.pid === null ? '' : `; then kill -INT ${database.pid}`;
  tell(`end it with: kill ${pids.join(' ')}${thenDatabase}`);
}

function newPin(): string {
  return String(randomInt(0, 1_000_000)).padStart(6, '0');
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'branchline-replay-'));
  // The user who runs PostgreSQL passes through; what is secret lies in folders and files of its own.
  chmodSync(folder, 0o711);
  return folder;
}

function emptyFolder(wanted: string): string {
  const folder = resolve(wanted);
  makeFolder(folder);
  try {
    if (readdirSync(folder).length === 0) return folder;
  } catch (error) {
    throw new EnvironmentFailure(`cannot read ${folder}: ${(error as Error).message}`);
  }
  throw new BadInput(`--data ${folder}: not empty, and a replay begins anew`);
}

function removeFolder(folder: string, isOurs: boolean): void {
  if (isOurs) rmSync(folder, { recursive: true, force: true });
}

async function cleaningUp<T>(work: () => Promise<T>, onFailure: () => void): Promise<T> {
  try {
    return await work();
  } catch (error) {
    onFailure();
    throw error;
  }
}
