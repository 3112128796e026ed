import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The real programs, as somebody at a terminal starts them. */
const COMMAND = fileURLToPath(new URL('../dist/commands/replay.js', import.meta.url));
export const FIXTURES = fileURLToPath(new URL('../fixtures/complete-journey/', import.meta.url));
export const INPUT = ['--products', join(FIXTURES, 'products.csv.gz'), '--sales', join(FIXTURES, 'sales.csv')];

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** On the PostgreSQL of the test run unless told otherwise; its temporary folders go into `folder`, so that what it leaves can be seen. */
export function startReplay(
  folder: string,
  args: string[],
  databaseUrl = process.env['BRANCHLINE_TEST_DATABASE_URL'] ?? '',
) {
  const env = { ...process.env, DATABASE_URL: databaseUrl, TMPDIR: folder };
  const child = spawn(process.execPath, [COMMAND, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run: Run = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (run.stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (run.stderr += piece));
  const ended = once(child, 'close').then(([code]): Run => ({ ...run, code: code as number | null }));
  return { child, run, ended };
}
