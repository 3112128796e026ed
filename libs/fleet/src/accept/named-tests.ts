import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runJest, type TestResult } from '../mutants/run-jest.js';
import { seconds } from '../mutants/run-program.js';
import { type AcceptContext, fail, type Outcome, pass } from './row.js';
import { inScratchFolder } from './scratch.js';

/** A thing that an issue says is tested, and the tests that do it: each pattern has to find at least one. */
export interface Claim {
  claim: string;
  file: string;
  title: RegExp;
}

const RUN_MS_MAX = 900_000;

/** Runs the files of the claims once; all that a claim names has to be there and to pass. */
export function namedTestsPass(claims: readonly Claim[], { root, signal }: AcceptContext): Promise<Outcome> {
  return inScratchFolder(async (scratch) => {
    const files = [...new Set(claims.map(({ file }) => file))].filter((file) => existsSync(join(root, file)));
    const options = { cwd: root, env: process.env, boundMs: RUN_MS_MAX, signal, scratch };
    const run = files.length === 0 ? { tests: [], broken: [], ms: 0 } : await runJest(files, options);
    const broken = run.broken.map(({ file, message }) => `${file} does not run: ${message}`);
    const { proved, complaints } = judgeClaims(claims, run.tests);
    const figure = `${proved} of ${claims.length} claims, ${seconds(run.ms)}`;
    const all = [...broken, ...complaints];
    return all.length === 0 ? pass(figure) : fail(`${figure}; ${all.join('; ')}`);
  });
}

export function judgeClaims(
  claims: readonly Claim[],
  tests: readonly TestResult[],
): { proved: number; complaints: string[] } {
  const complaints: string[] = [];
  for (const { claim, file, title } of claims) {
    const found = tests.filter((test) => test.file === file && title.test(test.title));
    const bad = found.find(({ status }) => status !== 'passed');
    if (found.length === 0) complaints.push(`no test of «${claim}» in ${file}`);
    else if (bad) complaints.push(`${bad.status}: ${bad.file} › ${bad.title}`);
  }
  return { proved: claims.length - complaints.length, complaints };
}
