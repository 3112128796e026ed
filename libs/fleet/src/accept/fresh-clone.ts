import { join } from 'node:path';
import { lastLine, type ProgramRun, runProgram, seconds } from '../mutants/run-program.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { inScratchFolder, plainEnvironment } from './scratch.js';

const CLONE_MS_MAX = 120_000;
const INSTALL_MS_MAX = 1_200_000;
const TEST_MS_MAX = 600_000;

/** What a visitor does first: clone, `npm ci`, `npm test`, with nothing of ours in the environment. */
export function freshCloneIsGreen({ root, signal, note }: AcceptContext): Promise<Outcome> {
  return inScratchFolder(async (folder) => {
    const cwd = join(folder, 'checkout');
    const run = (command: string, args: string[], boundMs: number, at = cwd): Promise<ProgramRun> =>
      runProgram(command, args, { cwd: at, env: plainEnvironment(), boundMs, signal });
    const clone = await run('git', ['clone', '-q', root, cwd], CLONE_MS_MAX, folder);
    if (clone.code !== 0) return fail(`git clone: ${lastLine(clone.stderr)}`);
    const commit = (await run('git', ['rev-parse', '--short', 'HEAD'], CLONE_MS_MAX)).stdout.trim();
    note(`npm ci of ${commit}`);
    const install = await run('npm', ['ci', '--no-audit', '--no-fund'], INSTALL_MS_MAX);
    if (install.code !== 0) return fail(`${commit}: npm ci: ${failureOf(install, install.stderr)}`);
    note(`npm test of ${commit}, after an install of ${seconds(install.ms)}`);
    const test = await run('npm', ['test'], TEST_MS_MAX);
    const figure = `${commit}: ${failureOf(test, test.stdout)} in ${seconds(test.ms)}, install ${seconds(install.ms)}`;
    return test.code === 0 && isGreen(lastLine(test.stdout)) ? pass(figure) : fail(figure);
  });
}

/** The contract of the closing line. */
export function isGreen(closingLine: string): boolean {
  return /^[1-9]\d* passed, 0 failed(, \d+ skipped)?$/.test(closingLine);
}

function failureOf(run: ProgramRun, text: string): string {
  return run.late ? 'not done in time' : lastLine(text) || `exit ${run.code}`;
}
