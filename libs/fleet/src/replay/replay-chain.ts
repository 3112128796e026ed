import { randomInt } from 'node:crypto';
import type { Clock } from '@branchline/domain/clock.js';
import { type ChainDatabase, databaseNameFor, openChainDatabase } from '../chain/chain-database.js';
import { Chain } from '../chain/chain.js';
import { assertBuilt } from '../chain/programs.js';
import { removeLeftFolders } from './left-folders.js';
import { leaveRunning } from './leave-running.js';
import { NO_MEMORY_YET } from './memory-meter.js';
import type { Screen } from './progress.js';
import { ReplayFolder, type ReplayOf, type ReplayState } from './replay-folder.js';
import type { ReplayInput } from './replay-input.js';
import { branchOf, type ReplayOutcome, runReplay } from './run-replay.js';
import { setUpOffice, TENANT } from './set-up-office.js';

export interface ReplayRequest {
  input: ReplayInput;
  boxes: number;
  withOutage: boolean;
  /** Leaves hub, database and the edges of the last stores running. */
  keep: boolean;
  /** Kept, and gone on with when it is there; absent: a temporary folder, removed in the end. */
  dataDir: string | undefined;
  /** A PostgreSQL server of the user's own; absent: an embedded one. */
  databaseUrl: string | undefined;
  clock: Clock;
  chance: () => number;
  signal: AbortSignal;
  screen: Screen;
  tell: (line: string) => void;
}

interface Place {
  folder: ReplayFolder;
  database: ChainDatabase;
  state: ReplayState;
}

/** A chain of its own for one replay. However it ends, nothing is left running, unless it is to be kept. */
export async function replayChain(request: ReplayRequest): Promise<ReplayOutcome> {
  assertBuilt();
  const { dataDir, keep, databaseUrl, tell } = request;
  if (dataDir === undefined) await removeLeftFolders(databaseUrl, tell);
  const folder = dataDir === undefined ? ReplayFolder.temporary(keep) : ReplayFolder.open(dataDir);
  let isKept = false;
  try {
    const outcome = await inFolder(request, folder);
    isKept = keep;
    return outcome;
  } finally {
    folder.close(isKept);
  }
}

async function inFolder(request: ReplayRequest, folder: ReplayFolder): Promise<ReplayOutcome> {
  const { databaseUrl: serverUrl, keep, tell } = request;
  const name = databaseNameFor('replay', folder.path, request.databaseUrl);
  const of = replayOf(request, name);
  const known = folder.readState(of);
  // What a run that was killed, or kept, has left would write on.
  await Chain.stopOrphans(folder.path);
  const durability = folder.isTemporary && !keep ? 'throwaway' : 'full';
  const database = await openChainDatabase({ dataDir: folder.path, serverUrl, name, durability });
  let isKept = false;
  try {
    const state = known?.headOffice ? known : await begin(folder, database, of);
    if (known?.headOffice) tell(`goes on with ${folder.path}`);
    const outcome = await inChain(request, { folder, database, state });
    isKept = keep;
    return outcome;
  } finally {
    if (!isKept) {
      await database.stop();
      if (folder.isTemporary) await database.remove();
    }
  }
}

function replayOf({ input, withOutage, databaseUrl }: ReplayRequest, name: string): ReplayOf {
  const { hashes, stores } = input;
  const server = databaseUrl !== undefined && URL.canParse(databaseUrl) ? new URL(databaseUrl).host : null;
  const database = server === null ? 'embedded' : `${server}/${name}`;
  return { ...hashes, stores: stores.map(({ id }) => id), withOutage, database };
}

/** The first run, or one after a first run that did not come to its first store. */
async function begin(folder: ReplayFolder, database: ChainDatabase, of: ReplayOf): Promise<ReplayState> {
  const state: ReplayState = { request: of, headOffice: null, tradingMs: 0, memory: NO_MEMORY_YET };
  folder.begin(state);
  await database.empty();
  return state;
}

async function inChain(request: ReplayRequest, { folder, database, state }: Place): Promise<ReplayOutcome> {
  const { input, boxes, clock, signal, tell, keep } = request;
  const chain = await Chain.start({ dataDir: folder.path, database, hubPort: 0, clock, signal });
  let isKept = false;
  try {
    tell(`hub at ${chain.hub.url}`);
    const credentials = state.headOffice ?? (await setUp(request, chain));
    if (!state.headOffice) folder.writeState(Object.assign(state, { headOffice: credentials }));
    const headOffice = chain.signIn(credentials);
    let outcome: ReplayOutcome;
    try {
      outcome = await runReplay({ ...request, chain, headOffice, folder, state, newPin, postgresPid: database.pid });
    } finally {
      headOffice.close();
    }
    if (keep) {
      const branches = input.stores.slice(-boxes).map(({ id }) => branchOf(id));
      await leaveRunning({ chain, database, folder, branches, headOffice: credentials, tell });
    }
    isKept = keep;
    return outcome;
  } finally {
    if (!isKept) await chain.stop();
  }
}

async function setUp({ input, tell }: ReplayRequest, chain: Chain): Promise<{ email: string; password: string }> {
  const { email, password } = await chain.createTenant(TENANT);
  const headOffice = chain.signIn({ email, password });
  try {
    await setUpOffice(headOffice, input, tell);
  } finally {
    headOffice.close();
  }
  return { email, password };
}

function newPin(): string {
  return String(randomInt(0, 1_000_000)).padStart(6, '0');
}
