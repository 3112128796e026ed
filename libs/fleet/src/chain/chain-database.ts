import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import pg from 'pg';
import { removePostgresData, startPostgres, stopLeftPostgres } from '../postgres.js';
import { startMarkOf } from '../process-table.js';
import { makeFolder } from './private-file.js';

export interface ChainDatabase {
  /** What the hub gets as DATABASE_URL. */
  url: string;
  /** Forgets everything in it. */
  empty(): Promise<void>;
  /** Resolves when the server that was started for it has ended by itself; of a server of the user's own nothing is known. */
  lost(signal: AbortSignal): Promise<void>;
  /** Process of the server that was started for it, if one was. */
  pid: number | null;
  /** Leaves it running when we exit. */
  release(): void;
  /** Ends what was started for it; the data stays. */
  stop(): Promise<void>;
  /** After `stop`: nothing of it is left. */
  remove(): Promise<void>;
}

export interface ChainDatabaseOptions {
  dataDir: string;
  /** A PostgreSQL of the user's own (`DATABASE_URL`); absent: an embedded one. */
  serverUrl: string | undefined;
  /** Of the database on that server: nothing else there is touched. */
  name: string;
  durability: 'full' | 'throwaway';
}

const ALIVE_POLL_MS = 1_000;
const CONNECT_MS_MAX = 10_000;
const DUPLICATE_DATABASE = '42P04';

/** On a server of the user's own each data folder has a database of its own; an embedded server is of one folder anyway. */
export function databaseNameFor(kind: 'demo' | 'replay', dataDir: string, serverUrl: string | undefined): string {
  if (serverUrl === undefined) return 'branchline';
  return `branchline_${kind}_${createHash('sha256').update(dataDir).digest('hex').slice(0, 8)}`;
}

/** @throws EnvironmentFailure with one line */
export async function openChainDatabase(options: ChainDatabaseOptions): Promise<ChainDatabase> {
  const { serverUrl, name } = options;
  if (serverUrl === undefined) return openEmbedded(options);
  await createDatabase(serverUrl, name, 'DATABASE_URL');
  return {
    url: databaseUrl(serverUrl, name),
    empty: () => emptyDatabase(serverUrl, name),
    lost: () => new Promise(() => undefined),
    pid: null,
    release: () => undefined,
    stop: async () => undefined,
    remove: () => withClient(serverUrl, 'DATABASE_URL', (client) => dropDatabase(client, name)),
  };
}

async function openEmbedded({ dataDir, name, durability }: ChainDatabaseOptions): Promise<ChainDatabase> {
  const folder = folderOf(dataDir);
  makeFolder(join(dataDir, 'logs'));
  const server = await startPostgres({ dataDir: folder, durability, logFile: join(dataDir, 'logs', 'postgres.log') });
  try {
    await createDatabase(server.url, name, 'the embedded PostgreSQL');
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    url: databaseUrl(server.url, name),
    empty: () => emptyDatabase(server.url, name),
    lost: (signal) => untilGone(server.pid, signal),
    pid: server.pid,
    release: () => server.release(),
    stop: () => server.stop(),
    remove: async () => removePostgresData(folder),
  };
}

/** The embedded server that an earlier run has left running. @returns whether there was one */
export function stopLeftDatabase(dataDir: string): Promise<boolean> {
  return stopLeftPostgres(folderOf(dataDir));
}

/** What a run that was killed had in that folder, or on that server of the user's own under that name. */
export async function removeLeftDatabase(options: Omit<ChainDatabaseOptions, 'durability'>): Promise<void> {
  const { dataDir, serverUrl, name } = options;
  await stopLeftDatabase(dataDir);
  removePostgresData(folderOf(dataDir));
  if (serverUrl !== undefined) await withClient(serverUrl, 'DATABASE_URL', (client) => dropDatabase(client, name));
}

async function untilGone(pid: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && startMarkOf(pid) !== null) {
    await pause(ALIVE_POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'postgres');
}

function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** One that is there already is the one of the last time. */
async function createDatabase(serverUrl: string, name: string, what: string): Promise<void> {
  await withClient(serverUrl, what, async (client) => {
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } catch (error) {
      if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error;
    }
  });
}

async function emptyDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, 'the database', (client) => dropDatabase(client, name));
  await createDatabase(serverUrl, name, 'the database');
}

async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
}

async function withClient(url: string, what: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new EnvironmentFailure(`${what}: expected postgres://…`);
  }
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  try {
    await client.connect();
    await work(client);
  } catch (error) {
    throw new EnvironmentFailure(`${what}: ${reasonOf(error)}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Some failures to connect have a code and no message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}
