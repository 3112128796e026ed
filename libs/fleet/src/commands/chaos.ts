import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { v7 } from 'uuid';
import { BadInput, EXIT, runMain } from '@branchline/http/exit.js';
import { Command } from 'commander';
import { inScratchFolder } from '../accept/scratch.js';
import { chanceFrom } from '../bench/edge/chance.js';
import { makeFolder } from '../chain/private-file.js';
import { assertBuilt } from '../chain/programs.js';
import { DISASTERS } from '../chaos/disasters.js';
import { runChaos } from '../chaos/run-chaos.js';
import { abortedBySignals, Interrupted, parseOrExit, wholeNumber } from './command-line.js';

const MINUTES_MAX = 100_000;
const TIMES_MAX = 100_000;
const SEED_MAX = 999_999_999;
const names = DISASTERS.map(({ name }) => name);

interface Flags {
  minutes?: number;
  times?: number;
  only: string[];
  data?: string;
  seed?: number;
}

/** @throws BadInput for a folder in which something is */
async function inFolder<T>(data: string | undefined, work: (folder: string) => Promise<T>): Promise<T> {
  if (data === undefined) return inScratchFolder(work);
  const folder = resolve(data);
  makeFolder(folder);
  if (readdirSync(folder).length > 0) throw new BadInput(`${folder} is not empty`);
  return work(folder);
}

/** `npm run chaos`: what befalls real stores, on real processes with real files, and whether all is there afterwards. */
runMain('chaos', async () => {
  const program = new Command('npm run chaos --')
    .description(
      'Strikes a small chain of real processes with disasters, one after the other, while its tills sell; after each, tills, boxes and\n' +
        'head office have to agree (invariants A to F). Everything runs on 127.0.0.1 in a folder of its own, which is removed.\n\n' +
        DISASTERS.map(({ name, what }) => `  ${name.padEnd(26)} ${what}`).join('\n') +
        '\n\nExit code: 0 all is whole, 1 something is lost, doubled or differs, 2 bad input, 3 environment.',
    )
    .option('--minutes <n>', 'how long; without --times 5', wholeNumber(1, MINUTES_MAX))
    .option('--times <n>', 'how often each', wholeNumber(1, TIMES_MAX))
    .option(
      '--only <fault>',
      'just this one; more than once, or with commas, for several',
      (text, before: string[]) => [...before, ...text.split(',')],
      [],
    )
    .option('--data <dir>', 'an empty folder that is kept, to look at afterwards (default: a temporary one, removed)')
    .option('--seed <n>', 'for what is drawn by chance', wholeNumber(0, SEED_MAX))
    .allowExcessArguments(false);
  parseOrExit(program, process.argv);
  const { minutes, times, only, data, seed = randomInt(SEED_MAX) } = program.opts<Flags>();
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new BadInput(`no fault is called ${unknown}; there is: ${names.join(', ')}`);
  assertBuilt();
  const signal = abortedBySignals();
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  tell(`seed ${seed}`);
  const bound = minutes ?? (times === undefined ? 5 : null);
  try {
    return await inFolder(data, async (dataDir) => {
      const chance = chanceFrom(seed);
      const { faults, kills, acked, lost, doubled, byName } = await runChaos({
        dataDir,
        only,
        times,
        untilMs: bound === null ? null : systemClock.now() + bound * 60_000,
        till: { clock: systemClock, chance, signal },
        newId: () => v7(),
        newPin: () => String(Math.floor(chance() * 1_000_000)).padStart(6, '0'),
        tell,
      });
      const broken = [...byName.values()].flatMap(({ complaints }) => complaints);
      for (const complaint of broken) process.stdout.write(`${complaint}\n`);
      process.stdout.write(`faults=${faults} kills=${kills} acked=${acked} lost=${lost} doubled=${doubled}\n`);
      return broken.length === 0 ? EXIT.well : EXIT.failed;
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    tell(error instanceof Interrupted ? error.message : 'interrupted');
    return EXIT.failed;
  }
});
