import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import axios from 'axios';
import pg from 'pg';
import type { FleetItem, HubClient } from '../chain/hub-client.js';
import { readToldSales } from '../demo/told-sales.js';
import { type EdgeFacts, readEdgeFacts, type SaleFact } from './edge-facts.js';
import type { Fleet, StartedChain } from './started-chain.js';

/** What was looked at, and all that is wrong. */
export interface WholeChain {
  told: number;
  complaints: string[];
}

interface HubFacts {
  fleet: ReadonlyMap<string, FleetItem>;
  salesOf(branch: string): SaleFact[];
  reported: ReadonlyMap<string, { baskets: number; totalMinor: number }>;
}

/** Of each store: one sale may be on its way at each. */
const TILLS = 2;
const POLL_MS = 200;
const STILL_MS_MAX = 20_000;
const MEET_MS_MAX = 60_000;

/**
 * Holds a chain that trades against what its tills were told. With the lines cut, so that head office stands still: nothing told is
 * missing at the edge (A), nothing is there twice (B), sums and stock are kept (C), numbers are gapless and unique (E), and head office
 * has of each store exactly what the store has up to there. Then, with the lines restored, the heads have to meet (D).
 */
export async function lookAtWholeChain(
  chain: StartedChain,
  dataDir: string,
  hub: HubClient,
  signal: AbortSignal,
): Promise<WholeChain> {
  const fleet = chain.fleet();
  const found: WholeChain = { told: 0, complaints: [] };
  await switchLines(fleet, 'cut');
  try {
    await untilStill(hub, signal);
    const atHub = await readHubFacts(fleet.hub.databaseUrl, hub);
    for (const { branch, database } of fleet.edges) {
      const before = readToldSales(join(dataDir, 'told', branch));
      const atEdge = readEdgeFacts(database);
      const after = readToldSales(join(dataDir, 'told', branch));
      found.told += before.length;
      const complaints = [
        ...atEdge.complaints,
        ...missing('told, but not at the edge', before, atEdge.sales),
        ...untold(atEdge.sales, new Set(after.map(({ id }) => id))),
        ...differences(branch, atEdge, atHub),
      ];
      found.complaints.push(...complaints.map((complaint) => `${branch}: ${complaint}`));
    }
  } finally {
    await switchLines(fleet, 'restore');
  }
  found.complaints.push(...(await untilHeadsMeet(chain, hub, signal)));
  return found;
}

async function switchLines({ edges }: Fleet, action: 'cut' | 'restore'): Promise<void> {
  await Promise.all(edges.map(({ line }) => axios.post(`${line}/${action}`)));
}

/** What was on its way when the lines were cut has arrived or not. */
async function untilStill(hub: HubClient, signal: AbortSignal): Promise<void> {
  const heads = async (): Promise<string> =>
    (await hub.fleet()).map(({ branch, headHash }) => `${branch} ${headHash}`).join();
  for (let before = await heads(), waitedMs = 0; waitedMs < STILL_MS_MAX; waitedMs += POLL_MS) {
    await pause(POLL_MS, undefined, { signal });
    const now = await heads();
    if (now === before) return;
    before = now;
  }
  throw new Error('head office still takes in lines though every line is cut');
}

const HUB_SALES = `
SELECT b.code AS branch, s.id, s.receipt_number AS "receiptNumber", s.total_minor::float8 AS "totalMinor", s.seq::int AS seq
  FROM sale s JOIN branch b ON b.id = s.branch_id`;

async function readHubFacts(databaseUrl: string, hub: HubClient): Promise<HubFacts> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<SaleFact & { branch: string }>(HUB_SALES);
    const reported = await hub.salesByBranch();
    return {
      fleet: new Map((await hub.fleet()).map((item) => [item.branch, item])),
      salesOf: (branch) => rows.filter((row) => row.branch === branch),
      reported: new Map(reported.rows.map((row) => [row.branch, row])),
    };
  } finally {
    await client.end();
  }
}

/** As many as there are tills may be recorded and not yet told. */
function untold(atEdge: readonly SaleFact[], told: ReadonlySet<string>): string[] {
  const nobodyKnows = atEdge.filter(({ id }) => !told.has(id));
  return nobodyKnows.length <= TILLS ? [] : [`${nobodyKnows.length} sales that no till was told of`];
}

function differences(branch: string, atEdge: EdgeFacts, { fleet, salesOf, reported }: HubFacts): string[] {
  const item = fleet.get(branch);
  if (!item) return ['head office does not know it'];
  const upTo = item.appliedSeq ?? 0;
  const ofEdge = atEdge.sales.filter(({ seq }) => seq <= upTo);
  const ofHub = salesOf(branch);
  const report = reported.get(branch) ?? { baskets: 0, totalMinor: 0 };
  const totalMinor = ofEdge.reduce((sum, sale) => sum + sale.totalMinor, 0);
  const complaints = [
    ...missing('at the edge, but not at head office', ofEdge, ofHub),
    ...missing('at head office, but not at the edge', ofHub, ofEdge),
  ];
  if (upTo > 0 && item.headHash !== atEdge.hashAt(upTo)) complaints.push(`another hash at #${upTo}`);
  if (item.quarantined > 0) complaints.push(`${item.quarantined} lines in quarantine`);
  if (report.baskets !== ofEdge.length || report.totalMinor !== totalMinor)
    complaints.push(
      `reported ${report.baskets}/${report.totalMinor}, sold ${ofEdge.length}/${totalMinor} up to #${upTo}`,
    );
  return complaints;
}

type Same = Pick<SaleFact, 'id' | 'receiptNumber' | 'totalMinor'>;

/** Same id, same number, same total. */
function missing(what: string, wanted: readonly Same[], found: readonly Same[]): string[] {
  const keyOf = ({ id, receiptNumber, totalMinor }: Same): string => `${id} ${receiptNumber} ${totalMinor}`;
  const there = new Set(found.map(keyOf));
  const lost = wanted.map(keyOf).filter((key) => !there.has(key));
  return lost.length === 0 ? [] : [`${lost.length} ${what}: ${lost[0]}`];
}

/** They sell on: for a moment each, edge and head office have to name the same line and the same hash. */
async function untilHeadsMeet(chain: StartedChain, hub: HubClient, signal: AbortSignal): Promise<string[]> {
  const apart = new Set(chain.fleet().edges.map(({ branch }) => branch));
  for (let waitedMs = 0; waitedMs < MEET_MS_MAX && apart.size > 0; waitedMs += POLL_MS) {
    const fleet = await hub.fleet();
    for (const branch of apart) {
      const { headHash } = fleet.find((item) => item.branch === branch) ?? { headHash: null };
      if (headHash !== null && (await chain.headAtEdge(branch)) === headHash) apart.delete(branch);
    }
    await pause(POLL_MS, undefined, { signal });
  }
  return [...apart].map((branch) => `${branch}: its head and head office's never met`);
}
