import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { lastLine, runProgram } from '../mutants/run-program.js';
import { type AcceptContext, fail, notRun, type Outcome, pass } from './row.js';
import { inScratchFolder, plainEnvironment } from './scratch.js';

const COMMAND = 'libs/fleet/dist/commands/replay.js';
const FILES = { products: 'products.csv.gz', sales: 'sales-h1.csv.gz', expected: 'expected-h1.json' };

const count = z.int().min(0);
const figuresSchema = z.object({
  baskets: count,
  lines: count,
  net: z.int(),
  retail_disc: z.int(),
  coupon_match: z.int(),
  coupon: z.int(),
  units: z.number(),
});
const outageSchema = z.looseObject({
  awayFrom: z.iso.datetime(),
  awayTo: z.iso.datetime(),
  peakQueue: count,
  killedPid: z.int().min(1),
  restartedPid: z.int().min(1),
  retriedIds: z.array(z.string()),
  replayedReplies: count,
});
const expectedSchema = z.looseObject({ per_store: z.record(z.string(), figuresSchema) });
const outSchema = z.looseObject({
  per_store: z.record(z.string(), figuresSchema.loose()),
  outages: z.record(z.string(), outageSchema),
  memory: z.looseObject({
    replayMb: count.nullable(),
    hubMb: count.nullable(),
    edgeMb: count.nullable(),
    postgresMb: count.nullable(),
  }),
});

export type Expected = z.output<typeof expectedSchema>;
export type Replayed = z.output<typeof outSchema>;

export interface ReplayToCheck {
  /** So many of the busiest; absent: all there are. */
  stores?: number;
  boxes: number;
  boundMs: number;
  /** What else there is to say about it. @returns what is wrong */
  check?: (replayed: Replayed) => string[];
  figure?: (replayed: Replayed) => string;
}

const BUSIEST: ReplayToCheck = { stores: 8, boxes: 2, boundMs: 1_800_000 };

/** Real sales of the busiest stores through real edges, with the hub away and each edge killed, against an independent sum. */
export function replayEqualsTheExpected(context: AcceptContext): Promise<Outcome> {
  return checkReplay(BUSIEST, context);
}

export function checkReplay(wanted: ReplayToCheck, { root, dataSet, signal, note }: AcceptContext): Promise<Outcome> {
  const missing = Object.values(FILES).find((file) => !existsSync(join(dataSet, file)));
  if (missing) return Promise.resolve(notRun(`${join(dataSet, missing)} is not there; --data-set tells where it is`));
  if (!existsSync(join(root, COMMAND))) return Promise.resolve(notRun(`${COMMAND} is not there`));
  return inScratchFolder(async (folder) => {
    const out = join(folder, 'out.json');
    const input = ['--products', join(dataSet, FILES.products), '--sales', join(dataSet, FILES.sales)];
    const { stores, boxes, boundMs } = wanted;
    const flags = ['--stores', String(stores ?? 'all'), '--boxes', String(boxes), '--outage'];
    note(`replay ${flags.join(' ')}`);
    const options = { cwd: root, env: plainEnvironment(), boundMs, signal };
    const run = await runProgram(process.execPath, [join(root, COMMAND), ...input, ...flags, '--out', out], options);
    if (run.late) return fail(`not done within ${boundMs / 1000} s`);
    const closing = lastLine(run.stdout);
    if (run.code !== 0) return fail(`exit ${run.code}: ${closing}; ${lastLine(run.stderr)}`);
    if (!/\bdiffers=0$/.test(closing)) return fail(`the last line is «${closing}»`);
    const expected = expectedSchema.parse(readJson(join(dataSet, FILES.expected)));
    const replayed = outSchema.safeParse(readJson(out));
    if (!replayed.success) return fail(`--out: ${z.prettifyError(replayed.error).replaceAll('\n', ' ')}`);
    const complaints = compareReplay(replayed.data, expected, stores ?? Object.keys(expected.per_store).length);
    complaints.push(...(wanted.check?.(replayed.data) ?? []));
    const figure = wanted.figure ?? queuesAndRetries;
    return complaints.length === 0
      ? pass(`${closing}; ${figure(replayed.data)}`)
      : fail(complaints.slice(0, 5).join('; '));
  });
}

/** What is wrong with a replay of the `stores` busiest stores; nothing: equal to the cent, and each outage believable. */
export function compareReplay({ per_store, outages }: Replayed, expected: Expected, stores: number): string[] {
  const complaints: string[] = [];
  const ids = busiest(expected, stores);
  const others = Object.keys(per_store).filter((id) => !ids.includes(id));
  if (others.length > 0) complaints.push(`stores nobody asked for: ${others.join(', ')}`);
  for (const id of ids) {
    const [found, wanted] = [per_store[id], expected.per_store[id]];
    if (!found || !wanted) {
      complaints.push(`store ${id} is missing`);
      continue;
    }
    for (const name of Object.keys(wanted) as (keyof typeof wanted)[]) {
      if (found[name] !== wanted[name])
        complaints.push(`store ${id}: ${name} ${found[name]}, expected ${wanted[name]}`);
    }
    complaints.push(...unbelievable(outages[id]).map((why) => `outage of ${id}: ${why}`));
  }
  // The moments of the kill alternate: after the reply of every other store, whose retry finds the sale done.
  const replayed = ids.filter((id) => (outages[id]?.replayedReplies ?? 0) > 0).length;
  if (replayed < Math.floor(ids.length / 2)) complaints.push(`only ${replayed} stores had a reply replayed`);
  return complaints;
}

function unbelievable(outage: Replayed['outages'][string] | undefined): string[] {
  if (!outage) return ['there was none'];
  const { awayFrom, awayTo, peakQueue, killedPid, restartedPid, retriedIds, replayedReplies } = outage;
  const complaints: string[] = [];
  if (Date.parse(awayTo) <= Date.parse(awayFrom)) complaints.push('it took no time');
  if (peakQueue === 0) complaints.push('the queue did not grow');
  if (killedPid === restartedPid) complaints.push('the process did not change');
  if (retriedIds.length === 0) complaints.push('no sale was tried again');
  if (replayedReplies > retriedIds.length) complaints.push('more replies replayed than sales tried again');
  return complaints;
}

function busiest({ per_store }: Expected, stores: number): string[] {
  const byBaskets = Object.entries(per_store).sort(([a, x], [b, y]) => y.baskets - x.baskets || Number(a) - Number(b));
  return byBaskets.slice(0, stores).map(([id]) => id);
}

function queuesAndRetries(replayed: Replayed): string {
  const queues = Object.values(replayed.outages).map(({ peakQueue }) => peakQueue);
  return `queues of ${queues.join(' ')}; ${retries(replayed)}`;
}

export function retries({ outages }: Replayed): string {
  const all = Object.values(outages);
  const retried = all.reduce((sum, { retriedIds }) => sum + retriedIds.length, 0);
  const replayed = all.reduce((sum, { replayedReplies }) => sum + replayedReplies, 0);
  return `${retried} sales retried, ${replayed} found done`;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
