import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { openDataSource } from '../database/database.js';
import { Database } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { type BackupParts, beginBackup, forgetBackup, listBackups, verifyBackup } from './backups.js';

export type DumpRequest = {
  databaseUrl: string;
  file: string;
  /** Backups made by this command that are kept; older ones go, files and all. */
  keep: number;
  /** Folder of pg_dump and pg_restore; absent: where the shell finds them. */
  pgBin: string | undefined;
  secrets: HubSecrets;
};

export type Dumped = { id: string; file: string; verified: boolean; wrong: string[]; forgotten: string[] };

/**
 * A backup by pg_dump, restored at once into a database of its own on the same server, proved there, and recorded. One that
 * cannot be proved stays as a file and counts for nothing.
 *
 * @throws BadInput for a file that is there: by another run, or a backup that still counts; EnvironmentFailure with what the
 *   tool said
 */
export async function dumpAndVerify(parts: BackupParts, request: DumpRequest): Promise<Dumped> {
  const { databaseUrl, file, keep, secrets } = request;
  reserve(file);
  let id: string | null = null;
  try {
    await forgetLost(parts, file);
    id = await beginBackup(parts, ownName(file));
    await runTool(request, databaseUrl, 'pg_dump', ['--format=custom', `--file=${file}`]);
  } catch (error) {
    if (id !== null) await forgetBackup(parts, id);
    rmSync(file, { force: true });
    throw error;
  }
  const begun = id;
  const wrong = await inScratchDatabase(parts.database, databaseUrl, async (url) => {
    await runTool(request, url, 'pg_restore', ['--exit-on-error', file]);
    const restored = new Database(await openDataSource(url, 2), Math.random);
    try {
      return await verifyBackup(parts, begun, { restored, secrets });
    } finally {
      await restored.close();
    }
  });
  const forgotten = wrong.length === 0 ? await forgetOlder(parts, keep) : [];
  return { id, file, verified: wrong.length === 0, wrong, forgotten };
}

/** What this command wrote is told from what an operator names, though that be a path as well: only the former is deleted. */
export const OWN_PREFIX = 'file:';
const ownName = (file: string): string => `${OWN_PREFIX}${file}`;

/** Never over another backup, nor beside another run; and nobody else reads what is in it. */
function reserve(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new BadInput(`${file} is there already: a backup is not written over another`);
    throw new EnvironmentFailure(`${file}: ${(error as Error).message}`);
  }
}

/** What had this name before is not there any more, or the name could not have been had. */
async function forgetLost(parts: BackupParts, file: string): Promise<void> {
  for (const { id, what } of await listBackups(parts)) if (what === ownName(file)) await forgetBackup(parts, id);
}

/** Never the newest verified one, and no backup that somebody else made. @returns the files */
export async function forgetOlder(parts: BackupParts, keep: number): Promise<string[]> {
  const ours = (await listBackups(parts)).filter(
    ({ verifiedAt, what }) => verifiedAt !== null && what.startsWith(OWN_PREFIX),
  );
  const gone: string[] = [];
  for (const { id, what } of ours.slice(0, Math.max(0, ours.length - keep))) {
    const file = what.slice(OWN_PREFIX.length);
    // First it counts no more, then it is deleted: the other way round boxes would trust what is gone.
    await forgetBackup(parts, id);
    rmSync(file, { force: true });
    gone.push(file);
  }
  return gone;
}

async function inScratchDatabase<T>(
  database: Database,
  databaseUrl: string,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const name = `branchline_proof_${randomUUID().replaceAll('-', '')}`;
  await database.asOwner(`CREATE DATABASE ${name} TEMPLATE template0`);
  try {
    const url = new URL(databaseUrl);
    url.pathname = `/${name}`;
    return await work(url.href);
  } finally {
    await database.asOwner(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

/** The password goes by the environment: arguments are read by whoever is on the machine. */
function runTool({ pgBin }: DumpRequest, databaseUrl: string, tool: string, args: readonly string[]): Promise<void> {
  const url = new URL(databaseUrl);
  const password = decodeURIComponent(url.password);
  url.password = '';
  return new Promise((done, fail) => {
    const program = pgBin === undefined ? tool : join(pgBin, tool);
    const env = { ...process.env, ...(password !== '' && { PGPASSWORD: password }) };
    const child = spawn(program, [`--dbname=${url.href}`, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
    child.once('error', (error) => fail(new EnvironmentFailure(`${program}: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) return done();
      fail(new EnvironmentFailure(`${tool} ended with ${code}: ${said.trim().split('\n').slice(0, 3).join(' ')}`));
    });
  });
}
