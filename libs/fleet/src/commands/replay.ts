import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { BadInput, EnvironmentFailure, EXIT, runMain } from '@branchline/http/exit.js';
import { Command, InvalidArgumentError } from 'commander';
import { stopLeft } from '../replay/leave-running.js';
import { type BadFile, BadRows, type InputRequest, readReplayInput } from '../replay/replay-input.js';
import type { Screen } from '../replay/progress.js';
import { replayChain, type ReplayRequest } from '../replay/replay-chain.js';
import type { ReplayOutcome } from '../replay/run-replay.js';
import { abortedBySignals, Interrupted, parseOrExit, wholeNumber } from './command-line.js';

interface Flags {
  products?: string;
  sales?: string;
  stores: number | 'all';
  storeIds?: string[];
  boxes: number;
  outage: boolean;
  skipBad: boolean;
  keep: boolean;
  stop: boolean;
  data?: string;
  out?: string;
}

const screen: Screen = {
  columns: () => (process.stderr.isTTY ? process.stderr.columns : null),
  write: (text) => process.stderr.write(text),
};
const STORES_MAX = 10_000;
/** Each is a process of some 150 MB. */
const BOXES_MAX = 64;

runMain('replay', async () => {
  const flags = readFlags();
  if (flags.stop) return stop(flags);
  const signal = abortedBySignals();
  try {
    return await replay(flags, signal);
  } catch (error) {
    if (error instanceof BadRows) error.files.forEach(tellBadRows);
    if (!(error instanceof Interrupted)) throw error;
    const further = flags.data === undefined ? '' : '; the same call goes on from here';
    tell(`interrupted: nothing is left running${further}`);
    return EXIT.failed;
  }
});

async function replay(flags: Flags, signal: AbortSignal): Promise<number> {
  const input = await readReplayInput(inputRequest(flags), tellBadRows);
  try {
    signal.throwIfAborted();
    if (flags.out !== undefined) assertWritable(flags.out);
    const { stores, productCount, unknownProducts } = input;
    tell(`${stores.length} stores, ${productCount} products, ${unknownProducts.length} of them unknown`);
    const { boxes, outage: withOutage, keep, data } = flags;
    const request: ReplayRequest = {
      input,
      boxes,
      withOutage,
      keep,
      dataDir: data,
      databaseUrl: process.env['DATABASE_URL'] || undefined,
      clock: systemClock,
      chance: Math.random,
      signal,
      screen,
      tell,
    };
    const outcome = await replayChain(request);
    if (flags.out !== undefined) writeOut(flags.out, outcome);
    return tellOutcome(outcome);
  } finally {
    input.close();
  }
}

async function stop({ data }: Flags): Promise<number> {
  if (data === undefined) throw new BadInput('--stop needs the --data of what is to be stopped');
  const stopped = await stopLeft(data);
  tell(stopped.length === 0 ? 'nothing was running' : `stopped: ${stopped.join(', ')}`);
  return EXIT.well;
}

function readFlags(): Flags {
  const command = new Command('npm run replay --')
    .description(
      'Replays real sales: a branch per store, every basket posted through the HTTP API of a real edge, the hub compared in the end.\n' +
        'PostgreSQL is embedded, or on the server of DATABASE_URL a database of its own.\n' +
        'With --data everything stays, and the same call goes on where an earlier one was interrupted or killed; without it nothing stays.\n' +
        'In the figures seconds are those of all calls together, without setting up.\n' +
        'Exit code: 0 all agree, 1 something differs or failed, 2 bad input, 3 environment.',
    )
    .option('--products <file>', 'products of the Complete Journey data set, CSV, plain or gzip')
    .option('--sales <file>', 'its sales, CSV, plain or gzip')
    .option('--stores <n|all>', 'the n stores with most baskets, or all of them', storesFlag, 'all')
    .option('--store-ids <ids>', 'these stores, separated by commas', idsFlag)
    .option('--boxes <k>', 'edge processes at a time', wholeNumber(1, BOXES_MAX), 2)
    .option('--outage', 'take the hub away for the middle third of each store, and kill its edge within', false)
    .option('--skip-bad', 'leave out baskets with bad rows instead of refusing the file', false)
    .option('--keep', 'leave the hub and the edges of the last k stores running, to be asked', false)
    .option('--data <dir>', 'keep databases, logs and progress there; empty, or that of the same replay')
    .option('--stop', 'end what --keep has left running of --data, and nothing else', false)
    .option('--out <file>', 'write the totals per store, as the hub reports them, as JSON');
  parseOrExit(command, process.argv);
  const flags = command.opts<Flags>();
  if (flags.storeIds && command.getOptionValueSource('stores') === 'cli') {
    throw new BadInput('--stores and --store-ids exclude each other');
  }
  return flags;
}

function storesFlag(text: string): number | 'all' {
  return text === 'all' ? 'all' : wholeNumber(1, STORES_MAX)(text);
}

function idsFlag(text: string): string[] {
  const ids = text.split(',').map((id) => id.trim());
  if (ids.every((id) => /^\d{1,11}$/.test(id))) return [...new Set(ids)];
  throw new InvalidArgumentError('expected ids of stores, separated by commas');
}

function inputRequest({ products, sales, stores, storeIds, skipBad }: Flags): InputRequest {
  if (products === undefined) throw new BadInput('--products is missing: the products of the data set');
  if (sales === undefined) throw new BadInput('--sales is missing: its sales');
  return { productsFile: products, salesFile: sales, stores: storeIds ? { ids: storeIds } : stores, skipBad };
}

function tellBadRows({ file, rows }: BadFile): void {
  tell(`${file}: ${rows.length} bad ${rows.length === 1 ? 'row' : 'rows'}`);
  for (const { line, reason } of rows) tell(`line ${line}: ${reason}`);
}

/** Told before the first basket, not after the last. */
function assertWritable(file: string): void {
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (error) {
    throw new EnvironmentFailure(`--out: ${(error as Error).message}`);
  }
}

function writeOut(file: string, { report }: ReplayOutcome): void {
  writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
}

function tellOutcome({ report, differences, tradingMs }: ReplayOutcome): number {
  for (const code of report.unknownProducts) tell(`${code}: not among the products`);
  for (const [store, found] of differences)
    for (const difference of found) tell(`store ${store} differs: ${difference}`);
  const { stores, total } = report;
  const seconds = tradingMs / 1000;
  const figures = {
    stores,
    baskets: total.baskets,
    net: total.net,
    seconds: seconds.toFixed(1),
    baskets_per_second: (total.baskets / seconds).toFixed(1),
    differs: differences.size,
  };
  const line = Object.entries(figures).map(([name, value]) => `${name}=${value}`);
  process.stdout.write(`${line.join(' ')}\n`);
  return differences.size === 0 ? EXIT.well : EXIT.failed;
}

/** On a terminal the line of progress makes room for it. */
function tell(line: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K\n` : `${line}\n`);
}
