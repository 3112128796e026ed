import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { lastLine, runProgram } from '../mutants/run-program.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { inScratchFolder, plainEnvironment } from './scratch.js';

const COMMAND = 'libs/fleet/dist/commands/bench.js';
const BENCH_MS_MAX = 2_400_000;

const resultSchema = z.looseObject({
  fdatasyncMs: z.number(),
  rows: z
    .array(
      z.looseObject({
        what: z.string(),
        value: z.number(),
        unit: z.string(),
        ratio: z.number().nullable(),
        goal: z.unknown(),
        met: z.boolean().nullable(),
      }),
    )
    .min(1),
});
export type Measured = z.output<typeof resultSchema>;

/** Measures each bench anew, beside the results that are kept, and wants every goal of theirs met. */
export function benchesMeetTheirGoals(names: readonly string[], context: AcceptContext): Promise<Outcome> {
  return inScratchFolder(async (results) => {
    const said: string[] = [];
    let missed = 0;
    for (const name of names) {
      const measured = await measure(name, results, context);
      if (typeof measured === 'string') return fail(`bench ${name}: ${measured}`);
      const judged = judgeGoals(measured);
      missed += judged.missed;
      said.push(`${name} (fdatasync ${measured.fdatasyncMs} ms): ${judged.said.join(', ')}`);
    }
    return missed === 0 ? pass(said.join('; ')) : fail(`${missed} missed; ${said.join('; ')}`);
  });
}

async function measure(name: string, results: string, context: AcceptContext): Promise<Measured | string> {
  const { root, signal, note } = context;
  note(`bench ${name}`);
  const options = { cwd: root, env: plainEnvironment(), boundMs: BENCH_MS_MAX, signal };
  const run = await runProgram(process.execPath, [join(root, COMMAND), name, '--results', results], options);
  if (run.late) return `not done within ${BENCH_MS_MAX / 1000} s`;
  if (run.code !== 0) return `exit ${run.code}: ${lastLine(run.stderr)}`;
  return resultSchema.parse(JSON.parse(readFileSync(join(results, `${name}.json`), 'utf8')));
}

/** Only rows with a goal are told; a bench without any goal has shown nothing. */
export function judgeGoals({ rows }: Measured): { said: string[]; missed: number } {
  const judged = rows.filter(({ met }) => met !== null);
  if (judged.length === 0) return { said: ['no goals'], missed: 1 };
  const said = judged.map(({ what, value, unit, ratio, met }) => {
    const figure = ratio === null ? `${value} ${unit}` : `${value} ${unit} = ${ratio} ×`;
    return `${what} ${figure}${met ? '' : ' MISSED'}`;
  });
  return { said, missed: judged.filter(({ met }) => met === false).length };
}
