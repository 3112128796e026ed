import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { Command } from 'commander';
import { CHAIN } from '../accept/chain.js';
import { CONTRACT } from '../accept/contract.js';
import { type AcceptContext, fail, type Outcome, type Row } from '../accept/row.js';
import { SPINE } from '../accept/spine.js';
import { abortedBySignals, Interrupted, parseOrExit, wholeNumber } from './command-line.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const ROWS_MAX = 99;
const SEED_MAX = 999_999_999;
const ISSUES: ReadonlyMap<string, readonly Row[]> = new Map([
  ['spine', SPINE],
  ['chain', CHAIN],
  ['contract', CONTRACT],
]);

interface Flags {
  only: number[];
  dataSet: string;
  pictures?: string;
  seed?: number;
}

/** `npm run accept -- NAME`: does what the issue says it is shown by, and tells what came of it. */
runMain('accept', async () => {
  const rowNumber = wholeNumber(1, ROWS_MAX);
  const program = new Command('accept')
    .description(`Shows what an issue says it is shown by: a line for each, exit 1 when one fails.`)
    .argument('<issue>', `one of: ${[...ISSUES.keys()].join(', ')}`)
    .option(
      '--only <n>',
      'just this row; more than once for several',
      (text, before: number[]) => [...before, rowNumber(text)],
      [],
    )
    .option('--data-set <dir>', 'the Complete Journey data set', resolve(ROOT, '../shared/data/complete-journey'))
    .option('--pictures <dir>', 'keep the pictures of rows that look at screens')
    .option('--seed <n>', 'for what is drawn by chance', wholeNumber(0, SEED_MAX))
    .allowExcessArguments(false);
  parseOrExit(program, process.argv);
  const { only, dataSet, pictures, seed } = program.opts<Flags>();
  const picturesDir = pictures && resolve(pictures);
  const [issue = ''] = program.args;
  const rows = ISSUES.get(issue);
  if (!rows) throw new BadInput(`no issue is called ${issue}; there is: ${[...ISSUES.keys()].join(', ')}`);
  const missing = only.find((n) => n > rows.length);
  if (missing !== undefined) throw new BadInput(`${issue} has ${rows.length} rows, there is no row ${missing}`);
  const note = (line: string): void => void process.stderr.write(`${line}\n`);
  const context = { root: ROOT, dataSet: resolve(dataSet), picturesDir, signal: abortedBySignals(), seed, note };
  try {
    return await showAll(rows, only, context);
  } catch (error) {
    if (!context.signal.aborted) throw error;
    note(error instanceof Interrupted ? error.message : 'interrupted');
    return EXIT.failed;
  }
});

async function showAll(rows: readonly Row[], only: readonly number[], context: AcceptContext): Promise<number> {
  let exitCode: number = EXIT.well;
  for (const [at, row] of rows.entries()) {
    const n = at + 1;
    if (only.length > 0 && !only.includes(n)) continue;
    const { verdict, figure } = await show(row, context);
    process.stdout.write(`${verdict.padEnd(7)} ${n}. ${row.what}  ${figure}\n`);
    if (verdict === 'FAIL') exitCode = EXIT.failed;
  }
  return exitCode;
}

/** A row that breaks is a row that fails: the others still have their turn. */
async function show(row: Row, context: AcceptContext): Promise<Outcome> {
  try {
    return await row.run(context);
  } catch (error) {
    context.signal.throwIfAborted();
    return fail((error instanceof Error ? error.message : String(error)).replaceAll(/\s*\n\s*/g, ' '));
  }
}
