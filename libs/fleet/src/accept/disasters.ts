import { join } from 'node:path';
import { randomInt } from 'node:crypto';
import { DISASTERS } from '../chaos/disasters.js';
import { lastLine, runProgram, seconds } from '../mutants/run-program.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { plainEnvironment } from './scratch.js';

const COMMAND = 'libs/fleet/dist/commands/chaos.js';
const TIMES = 20;
const SEED_MAX = 1_000_000_000;
/** Of one disaster, twenty times. */
const DISASTER_MS_MAX = 1_200_000;

/** Each disaster by its own command, as an operator would run it; all are tried, whatever came of the others. */
export async function disastersLeaveAllWhole({
  root,
  signal,
  note,
  seed = randomInt(SEED_MAX),
}: AcceptContext): Promise<Outcome> {
  note(`seed ${seed}`);
  const startMs = performance.now();
  const broken: string[] = [];
  let acked = 0;
  for (const { name } of DISASTERS) {
    const args = [join(root, COMMAND), '--times', String(TIMES), '--only', name, '--seed', String(seed)];
    const options = { cwd: root, env: plainEnvironment(), boundMs: DISASTER_MS_MAX, signal };
    const { code, stdout, late, ms } = await runProgram(process.execPath, args, options);
    const said = lastLine(stdout);
    note(`${name}: ${late ? 'not done in time' : said}, ${seconds(ms)}`);
    acked += Number(/acked=(\d+)/.exec(said)?.[1] ?? 0);
    if (late || code !== 0) broken.push(`${name}: ${late ? 'not done in time' : (stdout.split('\n')[0] ?? '')}`);
  }
  const took = seconds(performance.now() - startMs);
  const figure = `${DISASTERS.length} disasters × ${TIMES}, ${acked} sales told, seed ${seed}, ${took}`;
  return broken.length === 0 ? pass(figure) : fail(`${figure}; ${broken.join('; ')}`);
}
