import { setMaxListeners } from 'node:events';
import type { Clock } from '@branchline/domain/clock.js';
import type { Chain } from '../chain/chain.js';
import type { HubClient } from '../chain/hub-client.js';
import { type StoreTotals, sumTotals, totalsOf } from '../complete-journey/totals.js';
import { differencesOf, hubTotals } from './compare.js';
import { MemoryMeter } from './memory-meter.js';
import { Progress, type ProgressTotals, type Screen } from './progress.js';
import type { OutageRecord, ReplayFolder, ReplayMemory, ReplayState } from './replay-folder.js';
import type { ReplayInput } from './replay-input.js';
import { replayStore } from './replay-store.js';

export interface ReplayParts {
  chain: Chain;
  headOffice: HubClient;
  input: ReplayInput;
  folder: ReplayFolder;
  state: ReplayState;
  /** Edge processes at a time. */
  boxes: number;
  withOutage: boolean;
  /** Process of the database server, if it is ours. */
  postgresPid: number | null;
  clock: Clock;
  chance: () => number;
  newPin: () => string;
  signal: AbortSignal;
  screen: Screen;
  tell: (line: string) => void;
}

export interface ReplayReport {
  stores: number;
  total: StoreTotals;
  /** As the hub's report says it. */
  per_store: Record<string, StoreTotals>;
  outages: Record<string, OutageRecord>;
  unknownProducts: string[];
  /** The most that each had, MiB; of the edges the largest. */
  memory: ReplayMemory;
}

export interface ReplayOutcome {
  report: ReplayReport;
  /** Stores where file, edge and hub do not agree, each with what differs. */
  differences: Map<string, string[]>;
  /** Of posting and replicating alone, without setting up; of all runs together. */
  tradingMs: number;
}

/** At the latest this long after it changed, what is measured is on disk. */
const STATE_EVERY_TICKS = 5;

/** Branch codes are letters and digits; the ids of stores are digits. */
export function branchOf(store: string): string {
  return `S${store}`;
}

/** Head office is set up. Stores that an earlier run has done are not done again. */
export async function runReplay(parts: ReplayParts): Promise<ReplayOutcome> {
  const { input, folder, state, clock, tell, chain, postgresPid } = parts;
  const waiting = [...input.stores.entries()].filter(([, { id }]) => !folder.readStore(branchOf(id))?.done);
  const progress = progressOf(parts, waiting);
  const meter = new MemoryMeter(state.memory, { hub: () => chain.hub.pid, postgres: postgresPid });
  const [before, startedAtMs] = [state.tradingMs, clock.now()];
  const save = () => {
    Object.assign(state, { tradingMs: before + clock.now() - startedAtMs, memory: meter.sample() });
    folder.writeState(state);
  };
  const stopped = new AbortController();
  const ticking = progress.run(stopped.signal, (ticks) => {
    if (ticks % STATE_EVERY_TICKS === 0) save();
  });
  try {
    await tradeAll(parts, waiting, progress, meter);
  } finally {
    stopped.abort();
    await ticking;
    save();
  }
  tell(`all ${input.stores.length} stores are acknowledged, asking the hub`);
  const outcome = await compareAll(parts);
  return { ...outcome, tradingMs: state.tradingMs };
}

type Waiting = [position: number, store: ReplayInput['stores'][number]][];

function progressOf({ input, clock, screen }: ReplayParts, waiting: Waiting): Progress {
  const count = (stores: readonly { basketCount: number }[]): ProgressTotals => ({
    stores: stores.length,
    baskets: stores.reduce((sum, { basketCount }) => sum + basketCount, 0),
  });
  const [all, rest] = [count(input.stores), count(waiting.map(([, store]) => store))];
  const before = { stores: all.stores - rest.stores, baskets: all.baskets - rest.baskets };
  return new Progress(all, before, { clock, screen });
}

/** So many boxes at a time; a store that has finished makes room for the next. The first failure ends all. */
async function tradeAll(parts: ReplayParts, waiting: Waiting, progress: Progress, meter: MemoryMeter): Promise<void> {
  const { chain, headOffice, input, folder, boxes, withOutage, clock, chance, newPin, signal } = parts;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  setMaxListeners(0, either);
  const till = { clock, chance, signal: either };
  const onSold = (baskets: number) => progress.basketsSold(baskets);
  const onPeakMb = (edgeMb: number | null) => meter.note({ edgeMb });
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [position, { id: store }] = next;
      const baskets = input.basketsOf(store);
      const place = { store, branch: branchOf(store), position, baskets };
      progress.storeBegins();
      await replayStore({ chain, headOffice, folder, ...place, withOutage, till, newPin, onSold, onPeakMb });
      progress.storeEnds(true);
    }
  };
  const workers = Array.from({ length: Math.min(boxes, waiting.length) }, () =>
    worker().catch((error: unknown) => {
      progress.storeEnds(false);
      failed.abort(error);
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(workers);
  either.throwIfAborted();
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function compareAll(parts: ReplayParts): Promise<Pick<ReplayOutcome, 'report' | 'differences'>> {
  const { headOffice, input, folder, state } = parts;
  const rows = byBranch((await headOffice.salesByBranch()).rows);
  const modifiers = byBranch((await headOffice.modifiersByBranch()).rows);
  const fleet = byBranch(await headOffice.fleet());
  const perStore: Record<string, StoreTotals> = {};
  const outages: Record<string, OutageRecord> = {};
  const differences = new Map<string, string[]>();
  for (const { id } of input.stores) {
    const branch = branchOf(id);
    const known = folder.readStore(branch);
    if (!known?.done) throw new Error(`store ${id} was not replayed`);
    const row = rows.get(branch)?.[0] ?? null;
    const itsModifiers = modifiers.get(branch) ?? [];
    perStore[id] = hubTotals(row, itsModifiers);
    if (known.outage) outages[id] = known.outage;
    const facts = { expected: totalsOf(input.basketsOf(id)), done: known.done, row, modifiers: itsModifiers };
    const found = differencesOf({ ...facts, box: fleet.get(branch)?.[0] ?? null });
    if (found.length > 0) differences.set(id, found);
  }
  const { unknownProducts } = input;
  const total = sumTotals(Object.values(perStore));
  const { memory } = state;
  const report = { stores: input.stores.length, total, per_store: perStore, outages, unknownProducts, memory };
  return { report, differences };
}

function byBranch<Row extends { branch: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const ofBranch = found.get(row.branch);
    if (ofBranch) ofBranch.push(row);
    else found.set(row.branch, [row]);
  }
  return found;
}
