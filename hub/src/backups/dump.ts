import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
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
 * @throws EnvironmentFailure with what the tool said
 */
export async function dumpAndVerify(parts: BackupParts, request: DumpRequest): Promise<Dumped> {
  const { databaseUrl, file, keep, secrets } = request;
  const id = await beginBackup(parts, file);
  try {
    await runTool(request, 'pg_dump', ['--format=custom', `--file=${file}`, `--dbname=${databaseUrl}`]);
  } catch (error) {
    await forgetBackup(parts, id);
    throw error;
  }
  const wrong = await inScratchDatabase(parts.database, databaseUrl, async (url) => {
    await runTool(request, 'pg_restore', ['--exit-on-error', `--dbname=${url}`, file]);
    const restored = new Database(await openDataSource(url, 2), Math.random);
    try {
      return await verifyBackup(parts, id, { restored, secrets });
    } finally {
      await restored.close();
    }
  });
  const forgotten = wrong.length === 0 ? await forgetOlder(parts, keep) : [];
  return { id, file, verified: wrong.length === 0, wrong, forgotten };
}

/** Never the newest verified one, and no backup that somebody else made. */
async function forgetOlder(parts: BackupParts, keep: number): Promise<string[]> {
  const ours = (await listBackups(parts)).filter(({ verifiedAt, what }) => verifiedAt !== null && what.startsWith('/'));
  const gone: string[] = [];
  for (const { id, what } of ours.slice(0, Math.max(0, ours.length - keep))) {
    // First it counts no more, then it is deleted: the other way round boxes would trust what is gone.
    await forgetBackup(parts, id);
    rmSync(what, { force: true });
    gone.push(what);
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

function runTool({ pgBin }: DumpRequest, tool: string, args: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    const program = pgBin === undefined ? tool : join(pgBin, tool);
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)));
    child.once('error', (error) => fail(new EnvironmentFailure(`${program}: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) return done();
      fail(new EnvironmentFailure(`${tool} ended with ${code}: ${said.trim().split('\n').slice(0, 3).join(' ')}`));
    });
  });
}
