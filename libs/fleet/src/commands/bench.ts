import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { Command } from 'commander';
import { inScratchFolder } from '../accept/scratch.js';
import { type Bench, median, quantile } from '../bench/bench.js';
import { BENCHES } from '../bench/list.js';
import { describeMachine, timeSyncs } from '../bench/machine.js';
import { type BenchResult, tableOf, writeResult } from '../bench/result.js';
import { assertBuilt } from '../chain/programs.js';
import { abortedBySignals, parseOrExit, wholeNumber } from './command-line.js';

const RESULTS = fileURLToPath(new URL('../../../../bench/results', import.meta.url));
const ROUNDS_MIN = 5;
const ROUNDS_MAX = 99;

/** `npm run bench -- NAME`: measures, tells a table and writes `bench/results/NAME.json`. */
runMain('bench', async () => {
  const program = new Command('npm run bench --')
    .description(
      'Measures the product against yardsticks in the same run: medians of rounds that alternate between them.\n' +
        'PostgreSQL, where one is needed, is embedded, or on the server of DATABASE_URL a database of its own.\n' +
        'Exit code: 0 measured, whether or not the goals are met (the table says), 1 failed, 2 bad input, 3 environment.',
    )
    .argument('<name>', `one of: ${[...BENCHES.keys()].join(', ')}`)
    .option('--rounds <n>', 'how often each figure is taken', wholeNumber(ROUNDS_MIN, ROUNDS_MAX), ROUNDS_MIN)
    .option('--data <dir>', 'a folder on the disk to be measured (default: that of temporary files)')
    .option('--results <dir>', 'where the result is written', RESULTS)
    .allowExcessArguments(false);
  parseOrExit(program, process.argv);
  const [name = ''] = program.args;
  const bench = BENCHES.get(name);
  if (!bench) throw new BadInput(`no bench is called ${name}; there is: ${[...BENCHES.keys()].join(', ')}`);
  const { rounds, data, results } = program.opts<{ rounds: number; data?: string; results: string }>();
  assertBuilt();
  const signal = abortedBySignals();
  try {
    const result = await measure(bench, { rounds, parent: data && resolve(data), signal });
    const file = writeResult(resolve(results), name, result);
    process.stdout.write(`${tableOf(result)}\n${file}\n`);
    return EXIT.well;
  } catch (error) {
    if (!signal.aborted) throw error;
    note('interrupted: nothing is left running');
    return EXIT.failed;
  }
});

type Measuring = { rounds: number; parent: string | undefined; signal: AbortSignal };

/** The disk is timed before and after: it may have changed its mood. */
async function measure(bench: Bench, { rounds, parent, signal }: Measuring): Promise<BenchResult> {
  const databaseUrl = process.env['DATABASE_URL'] || undefined;
  return inScratchFolder(async (dataDir) => {
    const before = timeSyncs(dataDir);
    const rows = await bench({ dataDir, rounds, databaseUrl, signal, note });
    const syncs = [...before, ...timeSyncs(dataDir)];
    const fdatasyncMs = Number(median(syncs).toFixed(3));
    const fdatasyncMsP99 = Number(quantile(syncs, 0.99).toFixed(3));
    return { machine: describeMachine(), fdatasyncMs, fdatasyncMsP99, rows };
  }, parent);
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
