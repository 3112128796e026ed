import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';
import type { Chain } from '../chain/chain.js';
import type { HubClient } from '../chain/hub-client.js';
import { STORE_TIME_ZONE } from '../complete-journey/read-sales.js';
import { type StoreTotals, sumTotals, totalsOf } from '../complete-journey/totals.js';
import { differencesOf, hubTotals } from './compare.js';
import { importCsv, journeyRows } from './import-csv.js';
import type { ReplayInput } from './replay-input.js';
import { type OutageRecord, replayStore, type StoreResult } from './replay-store.js';

export interface ReplayParts {
  chain: Chain;
  headOffice: HubClient;
  input: ReplayInput;
  /** Edge processes at a time. */
  boxes: number;
  withOutage: boolean;
  /** The last boxes are not stopped. */
  keep: boolean;
  clock: Clock;
  chance: () => number;
  newPin: () => string;
  signal: AbortSignal;
  tell: (line: string) => void;
}

export interface ReplayReport {
  stores: number;
  total: StoreTotals;
  /** As the hub's report says it. */
  per_store: Record<string, StoreTotals>;
  outages: Record<string, OutageRecord>;
  unknownProducts: string[];
}

export interface ReplayOutcome {
  report: ReplayReport;
  /** Stores where file, edge and hub do not agree, each with what differs. */
  differences: Map<string, string[]>;
  /** Of posting and replicating alone, without setting up. */
  tradingMs: number;
}

export const TENANT = {
  code: 'JOURNEY',
  name: 'Complete Journey',
  currency: 'USD',
  adminEmail: 'office@journey.example',
};
const REGION = { code: 'ALL', name: 'All stores' };
const ZONE = { code: 'ALL', name: 'One price zone', currency: TENANT.currency, timeZone: STORE_TIME_ZONE };
const PROGRESS_MS = 5_000;

/** Branch codes are letters and digits; the ids of stores are digits. */
export function branchOf(store: string): string {
  return `S${store}`;
}

export async function runReplay(parts: ReplayParts): Promise<ReplayOutcome> {
  const { input, clock, tell } = parts;
  await setUp(parts);
  const progress = new Progress(parts);
  const startedAtMs = clock.now();
  const stopped = new AbortController();
  const ticking = progress.run(stopped.signal);
  try {
    const results = await tradeAll(parts, () => progress.count());
    const tradingMs = clock.now() - startedAtMs;
    tell(`all ${input.stores.length} stores are acknowledged, asking the hub`);
    return { ...(await compareAll(parts, results)), tradingMs };
  } finally {
    stopped.abort();
    await ticking;
  }
}

async function setUp({ headOffice, input, tell }: ReplayParts): Promise<void> {
  await headOffice.create('regions', REGION);
  await headOffice.create('price-zones', ZONE);
  for (const { id } of input.stores) {
    await headOffice.create('assortments', { code: branchOf(id), name: `Sold by store ${id}` });
  }
  tell(`importing ${input.products.length} products`);
  const { bad, created } = await headOffice.importProducts(importCsv(journeyRows(input, branchOf)));
  if (bad.length > 0) throw new Error(`the hub refuses a product, line ${bad[0]?.line}: ${bad[0]?.reason}`);
  tell(`${created} products are at the hub`);
  for (const { id } of input.stores) {
    await headOffice.create('branches', {
      code: branchOf(id),
      name: `Store ${id}`,
      region: REGION.code,
      priceZone: ZONE.code,
      assortment: branchOf(id),
      timeZone: STORE_TIME_ZONE,
      currency: TENANT.currency,
      cutOff: '00:00',
      taxRounding: 'line',
    });
  }
}

/** So many boxes at a time; a store that has finished makes room for the next. The first failure ends all. */
async function tradeAll(parts: ReplayParts, onSale: () => void): Promise<StoreResult[]> {
  const { chain, headOffice, input, boxes, withOutage, keep, clock, chance, newPin, signal } = parts;
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  setMaxListeners(0, either);
  const waiting = [...input.stores.entries()];
  const results: StoreResult[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [position, store] = next;
      const branch = branchOf(store.id);
      const till = { clock, chance, signal: either };
      const job = { chain, headOffice, store, branch, position, withOutage, till, newPin, onSale };
      results.push(await replayStore(job, () => keep && waiting.length === 0));
    }
  };
  const workers = Array.from({ length: Math.min(boxes, waiting.length) }, () =>
    worker().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  const outcomes = await Promise.allSettled(workers);
  either.throwIfAborted();
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}

async function compareAll(
  { headOffice, input }: ReplayParts,
  results: StoreResult[],
): Promise<Pick<ReplayOutcome, 'report' | 'differences'>> {
  const { rows } = await headOffice.salesByBranch();
  const { rows: allModifiers } = await headOffice.modifiersByBranch();
  const fleet = await headOffice.fleet();
  const perStore: Record<string, StoreTotals> = {};
  const outages: Record<string, OutageRecord> = {};
  const differences = new Map<string, string[]>();
  for (const { id, baskets } of input.stores) {
    const branch = branchOf(id);
    const result = results.find(({ store }) => store === id);
    if (!result) throw new Error(`store ${id} was not replayed`);
    const row = rows.find((candidate) => candidate.branch === branch) ?? null;
    const modifiers = allModifiers.filter((candidate) => candidate.branch === branch);
    perStore[id] = hubTotals(row, modifiers);
    if (result.outage) outages[id] = result.outage;
    const box = fleet.find((candidate) => candidate.branch === branch) ?? null;
    const { days, head } = result;
    const found = differencesOf({ store: id, expected: totalsOf(baskets), days, head, row, modifiers, box });
    if (found.length > 0) differences.set(id, found);
  }
  const { unknownProducts } = input;
  const total = sumTotals(Object.values(perStore));
  return { report: { stores: input.stores.length, total, per_store: perStore, outages, unknownProducts }, differences };
}

/** A line every few seconds for who waits. */
class Progress {
  private done = 0;
  private readonly all: number;

  constructor(private readonly parts: ReplayParts) {
    this.all = parts.input.stores.reduce((sum, { baskets }) => sum + baskets.length, 0);
  }

  count(): void {
    this.done += 1;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (await pause(PROGRESS_MS, true, { signal }).catch(() => false)) {
      this.parts.tell(`${this.done} of ${this.all} baskets`);
    }
  }
}
