import { join } from 'node:path';
import { lastLine, type ProgramRun, runProgram, seconds } from '../mutants/run-program.js';
import { lookAtPage } from './look-at-page.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { inScratchFolder, plainEnvironment } from './scratch.js';
import { StartedChain } from './started-chain.js';

const CLONE_MS_MAX = 120_000;
const INSTALL_MS_MAX = 1_200_000;
const BUILD_MS_MAX = 300_000;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const EDGES = 3;
const BRANCH = 'B001';

/** Clone, `npm ci`, `npm start`, and what a visitor does at the page that it prints. What it looks like is for people to judge. */
export function freshStartIsLookedAt({ root, signal, note, picturesDir }: AcceptContext): Promise<Outcome> {
  return inScratchFolder(async (folder) => {
    const cwd = join(folder, 'checkout');
    const run = (command: string, args: string[], boundMs: number, at = cwd): Promise<ProgramRun> =>
      runProgram(command, args, { cwd: at, env: plainEnvironment(), boundMs, signal });
    const clone = await run('git', ['clone', '-q', root, cwd], CLONE_MS_MAX, folder);
    if (clone.code !== 0) return fail(`git clone: ${lastLine(clone.stderr)}`);
    note('npm ci, npm run build');
    const install = await run('npm', ['ci', '--no-audit', '--no-fund'], INSTALL_MS_MAX);
    if (install.code !== 0) return fail(`npm ci: ${lastLine(install.stderr)}`);
    const build = await run('npm', ['run', 'build'], BUILD_MS_MAX);
    if (build.code !== 0) return fail(`npm run build: ${lastLine(build.stdout)}`);
    const startMs = performance.now();
    const chain = new StartedChain(cwd, join(folder, 'data'), EDGES);
    try {
      const notReady = await chain.untilReady(READY_MS_MAX, signal);
      if (notReady !== null) return fail(notReady);
      const readyMs = performance.now() - startMs;
      const link = chain.link();
      if (link === null) return fail('npm start printed no link');
      const seen = await lookAtPage({ link, branch: BRANCH, picturesDir, signal, note });
      const complaints = await chain.interrupt(STOP_MS_MAX);
      if (complaints.length > 0) return fail(complaints.join('; '));
      const figure = `install ${seconds(install.ms)}, build ${seconds(build.ms)}, READY ${seconds(readyMs)}; ${seen}`;
      return pass(`${figure}; nothing left`);
    } finally {
      await chain.kill();
    }
  });
}
