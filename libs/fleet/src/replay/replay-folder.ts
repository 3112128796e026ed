import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';
import { LOCK_FILES, lockFolder } from '../chain/folder-lock.js';
import { makeFolder, readPrivateJson, writePrivateJson } from '../chain/private-file.js';

const count = z.int().min(0);

/** What a replay is of. Called again for another, its folder is refused. */
const requestSchema = z.strictObject({
  products: z.string(),
  sales: z.string(),
  stores: z.array(z.string()),
  withOutage: z.boolean(),
  /** Where the hub's data lie: `embedded`, or host, port and name on a server of the user's own. */
  database: z.string(),
});
const memorySchema = z.strictObject({
  replayMb: count.nullable(),
  hubMb: count.nullable(),
  edgeMb: count.nullable(),
  postgresMb: count.nullable(),
});
const stateSchema = z.strictObject({
  request: requestSchema,
  /** Null until head office is set up: a first run that ended before begins anew. */
  headOffice: z.strictObject({ email: z.string(), password: z.string() }).nullable(),
  /** Of all runs together, without setting up. */
  tradingMs: z.number(),
  memory: memorySchema,
});

export const outageSchema = z.strictObject({
  awayFrom: z.string(),
  awayTo: z.string(),
  peakQueue: count,
  killedPid: count,
  restartedPid: count,
  /** Sales that were posted more than once. */
  retriedIds: z.array(z.string()),
  /** How many of them got the stored answer. */
  replayedReplies: count,
});
const sumsSchema = z.strictObject({
  baskets: z.number(),
  lines: z.number(),
  units: z.number(),
  amountMinor: z.number(),
  discountMinor: z.number(),
  netMinor: z.number(),
  taxMinor: z.number(),
  totalMinor: z.number(),
});
const doneSchema = z.strictObject({
  /** Of the edge's Zs. */
  sums: sumsSchema,
  lastDay: z.string().nullable(),
  head: z.strictObject({ incarnation: z.string().nullable(), lastSeq: z.number(), headHash: z.string().nullable() }),
});
const storeSchema = z.strictObject({
  pin: z.string(),
  deviceToken: z.string().nullable(),
  outage: outageSchema.nullable(),
  done: doneSchema.nullable(),
});

export type ReplayOf = z.output<typeof requestSchema>;
export type ReplayMemory = z.output<typeof memorySchema>;
export type ReplayState = z.output<typeof stateSchema>;
export type OutageRecord = z.output<typeof outageSchema>;
export type EdgeSums = z.output<typeof sumsSchema>;
export type StoreDone = z.output<typeof doneSchema>;
export type StoreState = z.output<typeof storeSchema>;

const STATE = 'replay.json';
export const TEMPORARY_PREFIX = 'branchline-replay-';
/** In a temporary folder of which nothing is to stay: should its replay be killed, the next one removes it. */
export const THROWAWAY = 'throwaway';
const REMEDY = 'begin anew in an empty folder';

/** The folder of one replay: its databases, its logs, and how far it has come. Each file of ours is renamed into place whole. */
export class ReplayFolder {
  private constructor(
    readonly path: string,
    readonly isTemporary: boolean,
    private readonly unlock: () => void,
  ) {}

  /** @throws BadInput when it holds anything but a replay */
  static open(wanted: string): ReplayFolder {
    const path = resolve(wanted);
    makeFolder(path);
    const found = namesIn(path);
    if (found.some((name) => !LOCK_FILES.includes(name)) && !found.includes(STATE)) {
      throw new BadInput(`--data ${path}: not empty, and no replay`);
    }
    return new ReplayFolder(path, false, lockFolder(path));
  }

  /** @param isKept whether what it holds in the end goes on */
  static temporary(isKept: boolean): ReplayFolder {
    const path = temporaryFolder();
    const unlock = lockFolder(path);
    // Locked before it is marked: what is marked and not locked is left by one that was killed.
    if (!isKept) writeFileSync(join(path, THROWAWAY), '');
    return new ReplayFolder(path, true, unlock);
  }

  static isReplay(path: string): boolean {
    return existsSync(join(path, STATE));
  }

  file(name: 'fleet.json' | 'sign-ins.json'): string {
    return join(this.path, name);
  }

  /** Where an earlier run of the same replay has come to; null: there was none. @throws BadInput when it is of another one */
  readState(request: ReplayOf): ReplayState | null {
    const state = readPrivateJson(join(this.path, STATE), stateSchema, REMEDY);
    if (!state) return null;
    const names = Object.keys(request) as (keyof ReplayOf)[];
    const other = names.filter((name) => JSON.stringify(state.request[name]) !== JSON.stringify(request[name]));
    if (other.length === 0) return state;
    throw new BadInput(`--data ${this.path}: begun with other ${other.map((name) => NAMES[name]).join(', ')}`);
  }

  writeState(state: ReplayState): void {
    writePrivateJson(join(this.path, STATE), state);
  }

  readStore(branch: string): StoreState | null {
    return readPrivateJson(join(this.path, 'stores', `${branch}.json`), storeSchema, REMEDY);
  }

  writeStore(branch: string, state: StoreState): void {
    writePrivateJson(join(this.path, 'stores', `${branch}.json`), state);
  }

  /** What was set up half-way. The database goes separately. */
  begin(state: ReplayState): void {
    this.writeState(state);
    for (const name of ['hub-secrets', 'edges', 'stores', 'fleet.json', 'sign-ins.json'])
      rmSync(join(this.path, name), { recursive: true, force: true });
    makeFolder(join(this.path, 'stores'), 0o700);
  }

  /** A temporary one goes with all that is in it, unless something there goes on. */
  close(isKept: boolean): void {
    if (this.isTemporary && !isKept) rmSync(this.path, { recursive: true, force: true });
    this.unlock();
  }
}

const NAMES: Record<keyof ReplayOf, string> = {
  products: 'products',
  sales: 'sales',
  stores: 'stores',
  withOutage: '--outage',
  database: 'DATABASE_URL',
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new EnvironmentFailure(`cannot read ${folder}: ${(error as Error).message}`);
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), TEMPORARY_PREFIX));
  // The user who runs PostgreSQL passes through; what is secret lies in folders and files of its own.
  chmodSync(folder, 0o711);
  return folder;
}
