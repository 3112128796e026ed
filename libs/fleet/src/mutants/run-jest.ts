import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { lastLine, type ProgramOptions, runProgram } from './run-program.js';

export interface TestResult {
  /** From the root of the repository. */
  file: string;
  /** With the titles of what it stands in. */
  title: string;
  status: 'passed' | 'failed' | 'skipped';
}

export interface SuiteRun {
  tests: TestResult[];
  /** Spec files of which no test ran: an import that fails, a syntax error. */
  broken: { file: string; message: string }[];
  ms: number;
}

/** Jest did not come to its end: there is no result to speak of. */
export class NoResult extends Error {
  override readonly name = 'NoResult';
}

const resultsSchema = z.looseObject({
  testResults: z.array(
    z.looseObject({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.looseObject({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

const RESULTS_FILE = '.jest-results.json';
const CACHE_FOLDER = '.jest-cache';

/** `scratch`: a folder that is thrown away, for the results and the cache of what was transformed. */
export type JestOptions = ProgramOptions & { scratch: string };

/** Runs these spec files of the checkout `cwd`. @throws NoResult when Jest does not end within its bound, or says nothing */
export async function runJest(specs: readonly string[], options: JestOptions): Promise<SuiteRun> {
  const { cwd, boundMs, scratch } = options;
  const resultsFile = join(scratch, RESULTS_FILE);
  rmSync(resultsFile, { force: true });
  const jest = ['--experimental-vm-modules', '--no-warnings', join(cwd, 'node_modules/jest/bin/jest.js')];
  const output = ['--json', '--outputFile', resultsFile, '--cacheDirectory', join(scratch, CACHE_FOLDER)];
  // A bug may leave something open; what the tests said counts.
  const run = await runProgram(
    process.execPath,
    [...jest, ...output, '--forceExit', '--runTestsByPath', ...specs],
    options,
  );
  try {
    if (run.late) throw new NoResult(`the specs did not end within ${boundMs / 1000} s`);
    if (!existsSync(resultsFile)) throw new NoResult(`Jest did not run: ${lastLine(run.stderr) || `exit ${run.code}`}`);
    return { ...readResults(cwd, readFileSync(resultsFile, 'utf8')), ms: run.ms };
  } finally {
    rmSync(resultsFile, { force: true });
  }
}

export function readResults(root: string, text: string): Omit<SuiteRun, 'ms'> {
  const { testResults } = resultsSchema.parse(JSON.parse(text));
  const tests: TestResult[] = [];
  const broken: SuiteRun['broken'] = [];
  for (const { name, status, message, assertionResults } of testResults) {
    const file = relative(root, name);
    if (status === 'failed' && assertionResults.length === 0) broken.push({ file, message: causeIn(message) });
    for (const { fullName: title, status: outcome } of assertionResults) {
      tests.push({ file, title, status: outcome === 'passed' || outcome === 'failed' ? outcome : 'skipped' });
    }
  }
  return { tests, broken };
}

export function firstFailure({ tests }: Pick<SuiteRun, 'tests'>): TestResult | null {
  return tests.find(({ status }) => status === 'failed') ?? null;
}

/** Jest's own heading comes first, then what happened, then where. */
function causeIn(message: string): string {
  const lines = stripVTControlCharacters(message).split('\n');
  return lines.map((line) => line.trim()).find((line) => line !== '' && !line.startsWith('●')) ?? 'no reason given';
}
