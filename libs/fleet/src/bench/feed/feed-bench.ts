import { setTimeout as pause } from 'node:timers/promises';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { type Bench, type BenchContext, type BenchRow, benchRow, quantile } from '../bench.js';
import { HelperProcess } from '../helper-process.js';
import { cpuTimesUs, spentUs, withChildren } from '../ingest/cpu-time.js';
import type { BoxesAnswer, BoxesAsk } from './boxes-main.js';
import { addBranch, type FeedChain, inDatabase, inFeedChain, productsCsv, REGION, ZONE } from './feed-chain.js';
import { SellingTill } from './selling-till.js';

const CHANGES = 10_000;
const FEW = 100;
const MANY = 1_000;
/** A store has one, and a second while one is replaced; a hub lets one store ask for only so much at once. */
const BOXES_A_BRANCH = 2;
const SALE_EVERY_MS = 20;
const QUIET_SALES = 250;
const SCOPE = `zone:${ZONE}`;

/** B-7: a price book that goes to every store. */
export const feedBench: Bench = (context) => inFeedChain(context, (chain) => changesToBoxes(context, chain));

type Round = { seconds: number; edgeSeconds: number; cpuMs: number; latenciesMs: number[] };

async function changesToBoxes(context: BenchContext, feed: FeedChain): Promise<BenchRow[]> {
  const { chain, headOffice } = feed;
  const { signal, note } = context;
  note(`setting up ${MANY} boxes`);
  await headOffice.importProducts(productsCsv(CHANGES, 1_000));
  const codes: string[] = [];
  for (let at = 0; at < MANY / BOXES_A_BRANCH; at += 1) {
    await addBranch(headOffice, `B${at}`);
    for (let box = 0; box < BOXES_A_BRANCH; box += 1)
      codes.push(await headOffice.enrolmentCode(`B${at}`, { for: 'box' }));
  }
  await addBranch(headOffice, 'REAL');
  const tillCode = await headOffice.enrolmentCode('REAL', { for: 'device', till: 'T1' });
  const edge = await chain.startEdge({
    branch: 'REAL',
    enrolmentCode: await headOffice.enrolmentCode('REAL', { for: 'box' }),
  });
  const till = await SellingTill.open(edge.url, tillCode, 'P1', signal);
  const boxes = HelperProcess.start<BoxesAsk, BoxesAnswer>('feed/boxes-main');
  try {
    const scopes = ['tenant', `region:${REGION}`, 'assortment:A1', SCOPE];
    await boxes.ask({ ask: 'enrol', hubUrl: chain.hub.url, codes: codes.slice(0, FEW), scopes }, signal);
    const quiet = await sellQuietly(till);
    const few = await rounds(context, feed, { boxes, till }, 2_000);
    await boxes.ask({ ask: 'enrol', hubUrl: chain.hub.url, codes: codes.slice(FEW), scopes }, signal);
    const many = await rounds(context, feed, { boxes, till }, 9_000);
    return rowsOf(quiet, few, many);
  } finally {
    await boxes.close();
    till.close();
  }
}

type Trading = { boxes: HelperProcess<BoxesAsk, BoxesAnswer>; till: SellingTill };

async function rounds(context: BenchContext, feed: FeedChain, trading: Trading, minor: number): Promise<Round[]> {
  const done: Round[] = [];
  for (let at = 0; at < context.rounds; at += 1) {
    context.signal.throwIfAborted();
    const round = await changeAll(context, feed, trading, minor + at * 1_000);
    const { seconds, edgeSeconds, cpuMs, latenciesMs } = round;
    const shown = [seconds, edgeSeconds, cpuMs, quantile(latenciesMs, 0.99), Math.max(...latenciesMs)].map((value) =>
      value.toFixed(2),
    );
    context.note(
      `round ${at + 1} of ${context.rounds}: all ${shown[0]} s, edge ${shown[1]} s, hub ${shown[2]} ms, sales p99 ${shown[3]} ms, longest ${shown[4]} ms`,
    );
    done.push(round);
  }
  return done;
}

/** From the moment the file is sent until the last box has it all and the real one has applied it, selling all the time. */
async function changeAll(
  { dataDir, signal }: BenchContext,
  feed: FeedChain,
  trading: Trading,
  minor: number,
): Promise<Round> {
  const { headOffice } = feed;
  const before = hubCpu(feed);
  const number = (await newest(feed)) + CHANGES;
  const startedMs = Date.now();
  const latenciesMs: number[] = [];
  let isOver = false;
  const selling = (async () => {
    while (!isOver) {
      latenciesMs.push(await trading.till.sell(`P${1 + (latenciesMs.length % 900)}`));
      await pause(SALE_EVERY_MS);
    }
  })();
  const edgeAt = edgeHas(dataDir, minor, signal);
  try {
    const csv = productsCsv(CHANGES, minor);
    const arrived = trading.boxes.ask({ ask: 'await', scope: SCOPE, number }, signal);
    await headOffice.importProducts(csv);
    const { atMs } = await arrived;
    const edgeAtMs = await edgeAt;
    const cpuMs = (spentUs(before, hubCpu(feed)) ?? 0) / 1_000;
    const seconds = (Math.max(atMs, edgeAtMs) - startedMs) / 1_000;
    return { seconds, edgeSeconds: (edgeAtMs - startedMs) / 1_000, cpuMs, latenciesMs };
  } finally {
    isOver = true;
    await selling;
  }
}

async function sellQuietly(till: SellingTill): Promise<number[]> {
  const latenciesMs: number[] = [];
  for (let at = 0; at < QUIET_SALES; at += 1) {
    latenciesMs.push(await till.sell(`P${1 + at}`));
    await pause(SALE_EVERY_MS);
  }
  return latenciesMs;
}

/** Looks into its file: every price is one of the new book. */
async function edgeHas(dataDir: string, minor: number, signal: AbortSignal): Promise<number> {
  const file = new BetterSqlite3(join(dataDir, 'edges', 'REAL', 'edge.db'), { readonly: true });
  try {
    const left = file.prepare('SELECT count(*) AS count FROM price WHERE minor NOT BETWEEN ? AND ?').pluck();
    for (;;) {
      if (left.get(minor, minor + 500) === 0) return Date.now();
      await pause(100, undefined, { signal });
    }
  } finally {
    file.close();
  }
}

function hubCpu({ chain, database }: FeedChain): ReturnType<typeof cpuTimesUs> {
  return cpuTimesUs([chain.hub.pid, ...(database.pid === null ? [] : withChildren(database.pid))]);
}

async function newest({ database }: FeedChain): Promise<number> {
  return inDatabase(database.url, async (client) => {
    const { rows } = await client.query<{ newest: string }>('SELECT newest FROM feed_head WHERE scope = $1', [SCOPE]);
    return Number(rows[0]?.newest);
  });
}

function rowsOf(quiet: readonly number[], few: readonly Round[], many: readonly Round[]): BenchRow[] {
  const cpuOf = (of: readonly Round[]): number[] => of.map(({ cpuMs }) => cpuMs);
  const p99 = (of: readonly Round[]): number[] => of.map(({ latenciesMs }) => quantile(latenciesMs, 0.99));
  const all = [...few, ...many];
  return [
    benchRow({
      what: `${CHANGES} price changes sent to ${MANY} boxes and applied`,
      unit: 's',
      samples: many.map(({ seconds }) => seconds),
      yardstick: { what: `the same to ${FEW} boxes`, samples: few.map(({ seconds }) => seconds) },
      goal: { of: 'value', atMost: 60 },
    }),
    benchRow({
      what: `CPU of hub and PostgreSQL for ${MANY} boxes`,
      unit: 'ms',
      samples: cpuOf(many),
      yardstick: { what: `for ${FEW} boxes, a tenth of them`, samples: cpuOf(few) },
      goal: { of: 'ratio', atMost: MANY / FEW },
    }),
    benchRow({
      what: `CPU of hub and PostgreSQL per box, of ${MANY}`,
      unit: 'ms',
      samples: cpuOf(many).map((ms) => ms / MANY),
      yardstick: { what: `per box, of ${FEW}`, samples: cpuOf(few).map((ms) => ms / FEW) },
    }),
    benchRow({
      what: 'p99 of a sale while the changes come and are applied, the whole chain on this machine',
      unit: 'ms',
      samples: p99(all),
      yardstick: { what: 'with nothing to apply', samples: [quantile(quiet, 0.99)] },
    }),
  ];
}
