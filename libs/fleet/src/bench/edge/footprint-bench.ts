import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { endpointOf } from '../../chain/edge-box.js';
import { type Bench, type BenchContext, type BenchRow, benchRow } from '../bench.js';
import { HelperProcess } from '../helper-process.js';
import { edgeFigure } from './edge-figure.js';
import type { SalesFigures, SalesLoad } from './load-main.js';
import { inTradingEdge, type TradingEdge } from './trading-edge.js';

const CLIENTS = 32;
const TILLS = 2;
const SALES_A_ROUND = 10_000;
/** After the start: what it allocated to get up is let go, the first poll of the hub is over. */
const SETTLE_MS = 2_000;
const STATUS_POLL_MS = 200;
const CAUGHT_UP_MS_MAX = 300_000;

type Round = {
  bareStartMs: number;
  startMs: number;
  idleMb: number;
  soldMb: number;
  diskBytes: number;
  wireBytes: number;
};

/** B-10: what an edge takes of its box, and of its line when it comes back. */
export const footprintBench: Bench = (context) =>
  inTradingEdge(context, TILLS, async (edge) => {
    const load = HelperProcess.start<SalesLoad, SalesFigures>('edge/load-main');
    try {
      const rounds: Round[] = [];
      for (let at = 0; at < context.rounds; at += 1) {
        context.signal.throwIfAborted();
        const round = await measureRound(context, edge, load, at * SALES_A_ROUND + 1);
        context.note(`round ${at + 1} of ${context.rounds}: ${JSON.stringify(round)}`);
        rounds.push(round);
      }
      return rowsOf(rounds);
    } finally {
      await load.close();
    }
  });

/** Starts the edge without a line, sells, weighs its file, starts it with a line, and counts what goes over it. */
async function measureRound(
  { signal }: BenchContext,
  edge: TradingEdge,
  load: HelperProcess<SalesLoad, SalesFigures>,
  firstNumber: number,
): Promise<Round> {
  const { box, products, databaseFile } = edge;
  await box.shutDown();
  const bytesBefore = statSync(databaseFile).size;
  const bareStartMs = timeBareStart();
  const startedMs = performance.now();
  await box.launch();
  const startMs = performance.now() - startedMs;
  await pause(SETTLE_MS, undefined, { signal });
  const idleMb = await residentMb(edge, signal);
  const tills = await edge.signIn();
  const { host, port } = endpointOf(box.url);
  await load.ask({ host, port, tills, clients: CLIENTS, sales: SALES_A_ROUND, products, firstNumber }, signal);
  const soldMb = await residentMb(edge, signal);
  // Its last connection closed, the write-ahead log is in the file and gone.
  await box.shutDown();
  const diskBytes = (statSync(databaseFile).size - bytesBefore) / SALES_A_ROUND;
  return { bareStartMs, startMs, idleMb, soldMb, diskBytes, wireBytes: await wireBytesOfBacklog(edge, signal) };
}

/** All that the edge sends until the hub has the backlog: requests with their heads, tokens and hellos. */
async function wireBytesOfBacklog(edge: TradingEdge, signal: AbortSignal): Promise<number> {
  const { hubLine } = edge.box;
  hubLine.restore();
  const before = hubLine.counters.upBytes;
  await edge.box.launch();
  try {
    for (let waitedMs = 0; waitedMs < CAUGHT_UP_MS_MAX; waitedMs += STATUS_POLL_MS) {
      if ((await edgeFigure(edge.box, 'branchline_edge_queue_lines', signal)) === 0) {
        return (hubLine.counters.upBytes - before) / SALES_A_ROUND;
      }
      await pause(STATUS_POLL_MS, undefined, { signal });
    }
    throw new Error(`the hub does not have the backlog after ${CAUGHT_UP_MS_MAX / 1000} s`);
  } finally {
    hubLine.cut();
  }
}

/** Node itself, doing nothing: what no program can start faster than. */
function timeBareStart(): number {
  const startedMs = performance.now();
  spawnSync(process.execPath, ['--input-type=module', '--eval', '']);
  return performance.now() - startedMs;
}

async function residentMb({ box }: TradingEdge, signal: AbortSignal): Promise<number> {
  return (await edgeFigure(box, 'process_resident_memory_bytes', signal)) / 1e6;
}

function rowsOf(rounds: readonly Round[]): BenchRow[] {
  const samples = (name: keyof Round): number[] => rounds.map((round) => round[name]);
  const atMost = (bound: number) => ({ of: 'value', atMost: bound }) as const;
  return [
    benchRow({
      what: 'start, from spawn to ready',
      unit: 'ms',
      samples: samples('startMs'),
      yardstick: { what: 'Node with an empty program, from spawn to exit', samples: samples('bareStartMs') },
      goal: atMost(1_500),
    }),
    benchRow({ what: 'resident memory, idle', unit: 'MB', samples: samples('idleMb'), goal: atMost(150) }),
    benchRow({
      what: `resident memory after ${SALES_A_ROUND} sales at full speed`,
      unit: 'MB',
      samples: samples('soldMb'),
      goal: atMost(150),
    }),
    benchRow({
      what: 'on disk per 5-line sale, journal included',
      unit: 'B',
      samples: samples('diskBytes'),
      goal: atMost(1_500),
    }),
    benchRow({
      what: 'on the wire per 5-line sale of a backlog',
      unit: 'B',
      samples: samples('wireBytes'),
      goal: atMost(100),
    }),
  ];
}
