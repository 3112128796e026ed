import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { type RunningPostgres, startPostgres } from '../postgres.js';
import { commandOf, descendantsOf, signalProcess, startMarkOf, waitForEnd } from '../process-table.js';

/**
 * The one PostgreSQL of a Jest run. Each run has a folder that bears its process, so that the next run can sweep what a run that
 * was killed outright has left.
 */
const PREFIX = `branchline-jest-${userInfo().username}-`;
const OWNER_FILE = 'run';

let server: RunningPostgres | null = null;
let folder: string | null = null;

export async function startTestServer(): Promise<string> {
  await sweepKilledRuns();
  folder = mkdtempSync(join(tmpdir(), PREFIX));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, OWNER_FILE), `${process.pid}\n${startMarkOf(process.pid) ?? ''}\n`);
  mkdirSync(join(folder, 'postgres'));
  server = await startPostgres({ dataDir: join(folder, 'postgres', 'data'), durability: 'throwaway' });
  return server.url;
}

export async function stopTestServer(): Promise<void> {
  await server?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
  server = null;
  folder = null;
}

/** Everything Jest started, workers and what their specs started: nothing outlives an interrupted run. */
export function killDescendants(): void {
  const database = server ? [server.pid, ...descendantsOf(server.pid)] : [];
  for (const pid of descendantsOf(process.pid)) if (!database.includes(pid)) signalProcess(pid, 'SIGKILL');
}

async function sweepKilledRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const left = join(tmpdir(), name);
    const [pid, startMark] = readText(join(left, OWNER_FILE)).split('\n');
    // A folder without its mark belongs to a run that is just starting.
    if (!pid || startMarkOf(Number(pid)) === startMark) continue;
    const databasePid = Number(readText(join(left, 'postgres', 'data', 'postmaster.pid')).split('\n')[0]);
    if (databasePid && commandOf(databasePid)?.includes(left)) {
      signalProcess(databasePid, 'SIGQUIT');
      await waitForEnd(databasePid, 5_000);
    }
    rmSync(left, { recursive: true, force: true });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
