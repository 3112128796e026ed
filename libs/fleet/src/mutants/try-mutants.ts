import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { startTestServer, stopTestServer } from '../testing/test-server.js';
import { type Mutant, NoLongerFits } from './mutant.js';
import { firstFailure, NoResult, runJest, type SuiteRun } from './run-jest.js';
import { lastLine, runProgram, seconds } from './run-program.js';
import { WorkCopy } from './work-copy.js';

export type Verdict = { name: string; ms: number } & (
  | { outcome: 'caught'; by: string }
  | { outcome: 'missed' }
  /** Nothing is known: the patch no longer fits, the copy does not build or run with it. */
  | { outcome: 'invalid'; reason: string }
);

export interface TrialSetup {
  root: string;
  signal: AbortSignal;
  /** A verdict as soon as it is known. */
  tell(verdict: Verdict): void;
  /** What is going on, for people. */
  note(line: string): void;
}

/** The suite fails without any planted bug: it would "catch" everything. */
export class RedSuite extends Error {
  override readonly name = 'RedSuite';
}

const CLEAN_RUN_MS_MAX = 900_000;
const MUTANT_RUN_MS_MAX = 300_000;
const BUILD_MS_MAX = 300_000;

/** Tries each bug in one copy of the working tree, on one PostgreSQL for all. @throws RedSuite, EnvironmentFailure */
export async function tryMutants(mutants: readonly Mutant[], setup: TrialSetup): Promise<Verdict[]> {
  const copy = WorkCopy.of(setup.root);
  try {
    const given = process.env['DATABASE_URL'];
    const trial = new Trial(copy, setup, given || (await startTestServer()));
    const verdicts: Verdict[] = [];
    const specs = [...new Set(mutants.flatMap((mutant) => mutant.specs))].filter((spec) => trial.has(spec));
    await trial.assertGreen(specs);
    for (const mutant of mutants) {
      const verdict = await trial.judge(mutant);
      setup.note(`${mutant.name}: ${seconds(verdict.ms)}`);
      setup.tell(verdict);
      verdicts.push(verdict);
    }
    return verdicts;
  } finally {
    await stopTestServer();
    copy.remove();
  }
}

class Trial {
  constructor(
    private readonly copy: WorkCopy,
    private readonly setup: TrialSetup,
    private readonly databaseUrl: string,
  ) {}

  has(file: string): boolean {
    return existsSync(join(this.copy.folder, file));
  }

  async assertGreen(specs: readonly string[]): Promise<void> {
    if (specs.length === 0) return;
    const run = await this.jest(specs, CLEAN_RUN_MS_MAX);
    const failure = firstFailure(run);
    const [broken] = run.broken;
    const first = failure ? `${failure.file} › ${failure.title}` : broken && `${broken.file}: ${broken.message}`;
    if (first) throw new RedSuite(`the suite is red without any planted bug: ${first}`);
    this.setup.note(`without a bug: ${run.tests.length} tests green, ${seconds(run.ms)}`);
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const { name, edits, specs, build = [] } = mutant;
    const startMs = performance.now();
    const since = (): number => performance.now() - startMs;
    const missing = specs.find((spec) => !this.has(spec));
    if (missing) return { name, ms: since(), outcome: 'invalid', reason: `its spec ${missing} is not there` };
    let takeOut: (() => void) | null = null;
    try {
      takeOut = this.copy.plant(edits);
      await this.build(build);
      const run = await this.jest(specs, MUTANT_RUN_MS_MAX);
      const [broken] = run.broken;
      if (broken)
        return { name, ms: since(), outcome: 'invalid', reason: `${broken.file} does not run: ${broken.message}` };
      const failure = firstFailure(run);
      if (!failure) return { name, ms: since(), outcome: 'missed' };
      return { name, ms: since(), outcome: 'caught', by: `${failure.file} › ${failure.title}` };
    } catch (error) {
      if (!(error instanceof NoLongerFits || error instanceof NoResult)) throw error;
      const reason = error instanceof NoLongerFits ? `no longer fits: ${error.message}` : error.message;
      return { name, ms: since(), outcome: 'invalid', reason };
    } finally {
      takeOut?.();
      for (const project of build) this.copy.takeBuilt(project);
    }
  }

  private async build(projects: readonly string[]): Promise<void> {
    if (projects.length === 0) return;
    const tsc = join(this.copy.folder, 'node_modules/typescript/bin/tsc');
    const run = await runProgram(process.execPath, [tsc, '-b', ...projects], this.options(BUILD_MS_MAX));
    if (run.code !== 0) throw new NoResult(`it does not build: ${run.late ? 'too slow' : lastLine(run.stdout)}`);
  }

  private jest(specs: readonly string[], boundMs: number): Promise<SuiteRun> {
    return runJest(specs, { ...this.options(boundMs), scratch: this.copy.folder });
  }

  private options(boundMs: number) {
    const env = { ...process.env, DATABASE_URL: this.databaseUrl };
    return { cwd: this.copy.folder, env, boundMs, signal: this.setup.signal };
  }
}
