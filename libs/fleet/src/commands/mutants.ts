import { fileURLToPath } from 'node:url';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { Command } from 'commander';
import { MUTANTS } from '../mutants/list.js';
import type { Mutant } from '../mutants/mutant.js';
import { RedSuite, tryMutants, type Verdict } from '../mutants/try-mutants.js';
import { abortedBySignals, Interrupted, parseOrExit } from './command-line.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** `npm run test:mutants`: plants each bug in a copy of the source and tells which test notices it. */
runMain('test:mutants', async () => {
  const program = new Command('test:mutants')
    .description('Plants deliberate bugs, one by one, in a copy of the source. The tests have to catch each.')
    .option('--only <name...>', 'just these')
    .option('--list', 'what there is, without trying it')
    .allowExcessArguments(false);
  parseOrExit(program, process.argv);
  const { only, list } = program.opts<{ only?: string[]; list?: true }>();
  const chosen = choose(only);
  if (!list) return run(chosen);
  for (const { name, breaks } of chosen) process.stdout.write(`${name}: ${breaks}\n`);
  return EXIT.well;
});

function choose(only: readonly string[] | undefined): Mutant[] {
  const unknown = only?.find((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown !== undefined) throw new BadInput(`no planted bug is called ${unknown}; --list tells their names`);
  return MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
}

async function run(mutants: readonly Mutant[]): Promise<number> {
  const signal = abortedBySignals();
  const note = (line: string): void => void process.stderr.write(`${line}\n`);
  const tell = (verdict: Verdict): void => void process.stdout.write(`${lineOf(verdict)}\n`);
  try {
    const verdicts = await tryMutants(mutants, { root: ROOT, signal, tell, note });
    return verdicts.every(({ outcome }) => outcome === 'caught') ? EXIT.well : EXIT.failed;
  } catch (error) {
    if (!(error instanceof RedSuite || error instanceof Interrupted)) throw error;
    note(error.message);
    return EXIT.failed;
  }
}

function lineOf(verdict: Verdict): string {
  if (verdict.outcome === 'caught') return `${verdict.name} caught by ${verdict.by}`;
  return verdict.outcome === 'missed' ? `${verdict.name} MISSED` : `${verdict.name} NOT TRIED: ${verdict.reason}`;
}
