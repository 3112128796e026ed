import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@branchline/domain/clock.js';
import { type ChainDatabase, openChainDatabase } from '../../chain/chain-database.js';
import { Chain } from '../../chain/chain.js';
import { DEMO_TENANT } from '../../demo/demo-chain.js';
import { type Bench, type BenchContext, benchRow, type BenchRow, quantile } from '../bench.js';
import { edgeFigure } from '../edge/edge-figure.js';
import { openTradingStore, type TradingEdge } from '../edge/trading-edge.js';
import { overAfter, type Steady, tradeSteadily } from '../hostile/steady-boxes.js';
import { BranchJournal } from '../ingest/branch-journal.js';
import { cpuTimesUs, spentUs, withChildren } from '../ingest/cpu-time.js';
import type { IngestChain } from '../ingest/ingest-chain.js';
import { compressed, PushingBox } from '../ingest/pushing-box.js';
import { yieldProcessors } from '../yield-processors.js';
import { handInBacklog } from './backlog-sales.js';

const SALES = 60_000;
const DAYS = 30;
const TILLS = 2;
const OTHERS = 8;
/** A store at its peak, two sales a second, each pushed as soon as it is sold. */
const STEADY: Steady = { everyMs: 500, salesAPush: 1 };
const QUIET_MS = 20_000;
const FIRST_SALES = 20;
const QUEUE_POLL_MS = 100;
const CAUGHT_UP_MS_MAX = 300_000;
/** The line is tried again soon: what is measured is the backlog, not the wait for it. */
const EDGE_ENV = { EDGE_RETRY_MS_MIN: '200', EDGE_RETRY_MS_MAX: '500' };

type Boxes = IngestChain['boxes'];

interface Round {
  seconds: number;
  quietP99Ms: number;
  besideP99Ms: number;
  wireBytes: number;
  /** Of processor time; null where the machine does not say. */
  hubUs: number | null;
  postgresUs: number | null;
  edgeUs: number | null;
}

/**
 * B-5: a store that was cut off for a month comes back, while other boxes trade. Its journal is a real edge's, filled by
 * its tills, and goes up as that edge sends it; how long the others wait for their answers is measured with and without.
 * A store's box is a machine of its own: here it yields the processors to the hub.
 */
export const backlogBench: Bench = async (context) => {
  const { dataDir, databaseUrl, signal } = context;
  const name = `branchline_bench_${process.pid}`;
  const database = await openChainDatabase({ dataDir, serverUrl: databaseUrl, name, durability: 'full' });
  try {
    const chain = await Chain.start({ dataDir, database, hubPort: 0, clock: systemClock, signal });
    try {
      return await measure(context, chain, database);
    } finally {
      await chain.stop();
    }
  } finally {
    await database.stop();
    await database.remove();
  }
};

async function measure(context: BenchContext, chain: Chain, database: ChainDatabase): Promise<BenchRow[]> {
  const { dataDir, signal, note } = context;
  note('setting up a chain');
  const edge = await openTradingStore(chain, {
    dataDir,
    tillCount: TILLS,
    others: OTHERS,
    edgeEnv: EDGE_ENV,
    signal,
  });
  yieldProcessors(edge.box.pid);
  const boxes: Boxes = [];
  try {
    for (const [at, code] of edge.otherBoxCodes.entries()) {
      const box = await PushingBox.enrol(chain.hub.url, code);
      boxes.push({ box, journal: new BranchJournal(box.journalBox, at + 1, DEMO_TENANT.currency) });
    }
    await openTrade(boxes);
    await tradeSteadily(boxes, STEADY, overAfter(QUIET_MS / 2), signal);
    const rounds: Round[] = [];
    for (let at = 0; at < context.rounds; at += 1) {
      rounds.push(await measureRound(context, { chain, database, edge, boxes }, at));
      note(`round ${at + 1} of ${context.rounds}: ${JSON.stringify(rounds.at(-1))}`);
    }
    return rowsOf(rounds);
  } finally {
    for (const { box } of boxes) box.close();
  }
}

async function openTrade(boxes: Boxes): Promise<void> {
  for (const { box, journal } of boxes) {
    await box.prove();
    await box.push(await compressed(journal.nextPush(FIRST_SALES).body));
  }
}

interface Measured {
  chain: Chain;
  database: ChainDatabase;
  edge: TradingEdge;
  boxes: Boxes;
}

/** Every other round the quiet comes after the backlog: neither is always the first. */
async function measureRound({ signal, note }: BenchContext, measured: Measured, at: number): Promise<Round> {
  const { edge, boxes } = measured;
  signal.throwIfAborted();
  note(`round ${at + 1}: ${SALES} sales are handed in`);
  await handInBacklog(edge, { sales: SALES, days: DAYS, seed: at + 1 }, signal);
  for (const { box } of boxes) await box.prove();
  const quiet = async (): Promise<number> =>
    quantile(await tradeSteadily(boxes, STEADY, overAfter(QUIET_MS), signal), 0.99);
  const backlogFirst = at % 2 === 1;
  const before = backlogFirst ? null : await quiet();
  const beside = await catchUp(measured, signal);
  return { ...beside, quietP99Ms: before ?? (await quiet()) };
}

async function catchUp(
  { chain, database, edge, boxes }: Measured,
  signal: AbortSignal,
): Promise<Omit<Round, 'quietP99Ms'>> {
  const { hubLine } = edge.box;
  const cpu = () => ({
    hub: cpuTimesUs([chain.hub.pid]),
    edge: cpuTimesUs([edge.box.pid]),
    postgres: database.pid === null ? null : cpuTimesUs(withChildren(database.pid)),
  });
  const before = { cpu: cpu(), upBytes: hubLine.counters.upBytes };
  let isOver = false;
  const startedMs = performance.now();
  hubLine.restore();
  const [latenciesMs, seconds] = await Promise.all([
    tradeSteadily(boxes, STEADY, () => isOver, signal),
    untilCaughtUp(edge, signal).then(() => {
      isOver = true;
      return (performance.now() - startedMs) / 1000;
    }),
  ]).finally(() => {
    isOver = true;
    hubLine.cut();
  });
  const after = cpu();
  const perSale = (us: number | null): number | null => (us === null ? null : us / SALES);
  return {
    seconds,
    besideP99Ms: quantile(latenciesMs, 0.99),
    wireBytes: (hubLine.counters.upBytes - before.upBytes) / SALES,
    hubUs: perSale(spentUs(before.cpu.hub, after.hub)),
    postgresUs: perSale(spentUs(before.cpu.postgres, after.postgres)),
    edgeUs: perSale(spentUs(before.cpu.edge, after.edge)),
  };
}

async function untilCaughtUp({ box }: TradingEdge, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < CAUGHT_UP_MS_MAX; waitedMs += QUEUE_POLL_MS) {
    if ((await edgeFigure(box, 'branchline_edge_queue_lines', signal)) === 0) return;
    await pause(QUEUE_POLL_MS, undefined, { signal });
  }
  throw new Error(`the hub does not have the backlog after ${CAUGHT_UP_MS_MAX / 1000} s`);
}

function rowsOf(rounds: readonly Round[]): BenchRow[] {
  const cpuRow = (what: string, figure: 'hubUs' | 'postgresUs' | 'edgeUs'): BenchRow[] => {
    const samples = rounds.map((round) => round[figure]).filter((us) => us !== null);
    return samples.length === 0 ? [] : [benchRow({ what, unit: 'µs/sale', samples })];
  };
  return [
    benchRow({
      what: `a backlog of ${SALES} sales of ${DAYS} days, caught up beside ${OTHERS} boxes that trade`,
      unit: 's',
      samples: rounds.map(({ seconds }) => seconds),
      goal: { of: 'value', atMost: 15 },
    }),
    benchRow({
      what: 'p99 of the other boxes’ pushes meanwhile',
      unit: 'ms',
      samples: rounds.map(({ besideP99Ms }) => besideP99Ms),
      yardstick: {
        what: 'p99 of the same pushes with no backlog',
        samples: rounds.map(({ quietP99Ms }) => quietP99Ms),
      },
      goal: { of: 'ratio', atMost: 1.2 },
    }),
    benchRow({ what: 'on the wire', unit: 'B/sale', samples: rounds.map(({ wireBytes }) => wireBytes) }),
    // The other boxes' pushes are in it: some 16 sales a second.
    ...cpuRow('processor time of the hub process', 'hubUs'),
    ...cpuRow('processor time of PostgreSQL', 'postgresUs'),
    ...cpuRow('processor time of the edge', 'edgeUs'),
  ];
}
