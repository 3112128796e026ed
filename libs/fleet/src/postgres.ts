import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import pg from 'pg';
import { findPostgres, openDataFolder, POSTGRES_ENVIRONMENT, type PostgresBinaries } from './postgres-binaries.js';
import { assertPortIsFree, freePort } from './ports.js';
import { PostgresWatcher } from './postgres-watcher.js';
import { commandOf, signalProcess, startMarkOf, waitForEnd } from './process-table.js';

/** An embedded PostgreSQL for trying and testing: our own child, on 127.0.0.1 only, gone when we are, also when we were killed. */
export interface RunningPostgres {
  /** The superuser's. */
  url: string;
  port: number;
  pid: number;
  /** Where the data really is: not the folder asked for when that one is closed to the user who runs PostgreSQL. */
  dataDir: string;
  logFile: string;
  stop(): Promise<void>;
  /** Leaves it running when we exit; the next start of the folder takes it over. */
  release(): void;
}

export interface PostgresOptions {
  dataDir: string;
  /** 0 or absent: any free one. */
  port?: number;
  logFile?: string;
  /** 'throwaway' gives up durability for speed: for data that nobody will miss. */
  durability?: 'full' | 'throwaway';
}

const SUPERUSER = 'postgres';
const START_TRIES_MAX = 5;
const READY_BOUND_MS = 60_000;
const POLL_MS = 25;
const FAST_SHUTDOWN_BOUND_MS = 10_000;
const LOG_TAIL_BYTES = 4_096;

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '64MB',
  max_connections: '120',
  password_encryption: 'scram-sha-256',
  log_checkpoints: 'off',
  log_timezone: 'UTC',
  timezone: 'UTC',
};
const THROWAWAY_SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
};

interface Cluster {
  binaries: PostgresBinaries;
  dataDir: string;
  password: string;
  logFile: string;
  settings: Record<string, string>;
}

/**
 * Starts the cluster of that folder, making it the first time. An orphan left by a killed parent is stopped first; a folder whose
 * parent is alive is refused. @throws EnvironmentFailure with one line for the operator.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const binaries = findPostgres();
  const dataDir = openDataFolder(binaries.user, resolve(options.dataDir), elsewhereFor(options.dataDir));
  const logFile = options.logFile ?? `${dataDir}.log`;
  await takeOver(dataDir);
  try {
    return await startOwn({ ...options, logFile }, binaries, dataDir);
  } catch (error) {
    rmSync(`${dataDir}.owner`, { force: true });
    throw error;
  }
}

/** Stops the server that was released, or lost its parent. @returns whether there was one @throws EnvironmentFailure when its parent lives */
export async function stopLeftPostgres(dataDir: string): Promise<boolean> {
  const folder = [resolve(dataDir), elsewhereFor(dataDir)].find((each) => existsSync(join(each, 'postmaster.pid')));
  if (folder === undefined) return false;
  const wasRunning = await takeOver(folder);
  rmSync(`${folder}.owner`, { force: true });
  return wasRunning;
}

async function startOwn(
  options: PostgresOptions & { logFile: string },
  binaries: PostgresBinaries,
  dataDir: string,
): Promise<RunningPostgres> {
  const throwaway = options.durability === 'throwaway';
  const password = existsSync(join(dataDir, 'PG_VERSION'))
    ? readPassword(dataDir)
    : initialise(binaries, dataDir, throwaway);
  const cluster = {
    binaries,
    dataDir,
    password,
    logFile: options.logFile,
    settings: { ...SETTINGS, ...(throwaway ? THROWAWAY_SETTINGS : {}) },
  };
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port || (await freePort());
    await assertPortIsFree(port);
    const failure = await launch(cluster, port);
    if (typeof failure !== 'string') return failure;
    // One that a killed parent had started a moment before, not yet in its lock file when we looked.
    const isMet = /lock file "postmaster.pid" already exists/.test(failure);
    if (isMet) await stopWhatRuns(dataDir);
    // A free port may be taken before PostgreSQL gets it; the shared memory of a killed one outlives it by a moment.
    const passing =
      isMet || /pre-existing shared memory/.test(failure) || (!options.port && /Address already in use/.test(failure));
    if (!passing || attempt === START_TRIES_MAX)
      throw new EnvironmentFailure(`PostgreSQL did not start: ${reasonIn(failure)}`);
    await pause(200 * attempt);
  }
}

/** Deletes what `startPostgres` keeps for that folder, wherever it is. The server must be stopped. */
export function removePostgresData(dataDir: string): void {
  for (const folder of [resolve(dataDir), elsewhereFor(dataDir)]) {
    removeDrafts(folder);
    for (const suffix of ['', '.password', '.owner', '.log']) rmSync(folder + suffix, { recursive: true, force: true });
  }
}

/** Of starts that were killed half-way. One's `initdb` may be writing still, into a folder that is none of ours: it fails, and ends. */
function removeDrafts(dataDir: string): void {
  const beside = dirname(dataDir);
  if (!existsSync(beside)) return;
  const names = readdirSync(beside).filter((name) => name.startsWith(`${basename(dataDir)}.new-`));
  for (const name of names) rmSync(join(beside, name), { recursive: true, force: true, maxRetries: 10 });
}

function elsewhereFor(dataDir: string): string {
  const name = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 12);
  return join('/var/lib/branchline', `postgres-${name}`);
}

function readPassword(dataDir: string): string {
  try {
    return readFileSync(`${dataDir}.password`, 'utf8').trim();
  } catch (error) {
    throw new EnvironmentFailure(`cannot read the database password beside ${dataDir}: ${(error as Error).message}`);
  }
}

/** Made beside its place and renamed into it when whole: a start that was killed half-way leaves nothing that looks like a cluster. */
function initialise(binaries: PostgresBinaries, dataDir: string, throwaway: boolean): string {
  const draft = `${dataDir}.new-${process.pid}`;
  const passwordFile = `${dataDir}.password`;
  const password = randomBytes(24).toString('base64url');
  try {
    if (existsSync(dataDir)) throw new Error(`${dataDir} exists and is not a PostgreSQL data folder`);
    removeDrafts(dataDir);
    rmSync(passwordFile, { force: true });
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
    const { user } = binaries;
    spawnSync('mkdir', ['-m', '0700', draft]);
    if (user) for (const path of [draft, passwordFile]) chownSync(path, user.uid, user.gid);
    const args = ['-D', draft, '-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8'];
    args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C', '--no-instructions');
    if (throwaway) args.push('--no-sync');
    const run = spawnSync(binaries.initdb, args, { ...user, cwd: '/', env: POSTGRES_ENVIRONMENT, encoding: 'utf8' });
    if (run.status !== 0)
      throw run.error ?? new Error(reasonIn(run.stderr) || `initdb ended with ${run.status ?? run.signal}`);
    renameSync(draft, dataDir);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw new EnvironmentFailure(`cannot create the database: ${(error as Error).message}`);
  }
  return password;
}

/**
 * One folder, one living parent. The mark of its start tells the parent from a later process with the same pid.
 * Its claim is written before anything else is done in the folder, so that the next one does not take it for an orphan's.
 * @returns whether a server without a parent was stopped
 */
async function takeOver(dataDir: string): Promise<boolean> {
  const [ownerText, ownerMark] = readLines(`${dataDir}.owner`);
  const ownerPid = Number(ownerText);
  const ownerLives = ownerPid > 0 && startMarkOf(ownerPid) === ownerMark;
  if (ownerLives && (ownerPid !== process.pid || serverOf(dataDir)?.isServer)) {
    throw new EnvironmentFailure(`${dataDir} is in use by process ${ownerPid}`);
  }
  const wasRunning = await stopWhatRuns(dataDir);
  try {
    writeFileSync(`${dataDir}.owner`, `${process.pid}\n${startMarkOf(process.pid) ?? ''}\n`);
  } catch (error) {
    throw new EnvironmentFailure(`cannot write beside ${dataDir}: ${(error as Error).message}`);
  }
  return wasRunning;
}

/** The process that the server's lock file names, if there is one. */
function serverOf(dataDir: string): { pid: number; isServer: boolean; isOurs: boolean } | null {
  const [pidText, folder] = readLines(join(dataDir, 'postmaster.pid'));
  const pid = Number(pidText);
  const command = pid > 0 ? commandOf(pid) : null;
  if (command === null) return null;
  return { pid, isServer: /postgres/.test(command), isOurs: folder === dataDir || command.includes(dataDir) };
}

/** @returns whether there was one */
async function stopWhatRuns(dataDir: string): Promise<boolean> {
  const server = serverOf(dataDir);
  if (server === null) return false;
  const { pid, isServer, isOurs } = server;
  if (!isServer) {
    // The pid belongs to somebody else by now: PostgreSQL itself would refuse to start for ever.
    rmSync(join(dataDir, 'postmaster.pid'), { force: true });
    return false;
  }
  if (!isOurs) throw new EnvironmentFailure(`${dataDir} is in use by process ${pid}`);
  if (!(await stopServer(pid))) throw new EnvironmentFailure(`PostgreSQL ${pid} of ${dataDir} cannot be stopped`);
  return true;
}

async function launch(cluster: Cluster, port: number): Promise<RunningPostgres | string> {
  const { binaries, dataDir, logFile } = cluster;
  const log = openLog(logFile);
  const logStart = statSync(logFile).size;
  const settings = Object.entries({ ...cluster.settings, port: String(port) }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  // In a session of its own: Ctrl-C at the terminal reaches us, and we stop the database after those who still write to it.
  const child = spawn(binaries.postgres, ['-D', dataDir, ...settings], {
    ...binaries.user,
    cwd: '/',
    env: POSTGRES_ENVIRONMENT,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const spawned = await new Promise<Error | null>((done) => child.once('error', done).once('spawn', () => done(null)));
  if (spawned) return spawned.message;
  const pid = child.pid ?? 0;
  const watcher = new PostgresWatcher(pid, join(dataDir, 'postmaster.pid'));
  const stopOnExit = () => signalProcess(pid, 'SIGINT');
  process.once('exit', stopOnExit);
  child.once('exit', () => {
    process.removeListener('exit', stopOnExit);
    watcher.release();
  });
  const url = `postgres://${SUPERUSER}:${cluster.password}@127.0.0.1:${port}/postgres`;
  const ready = await waitUntilReady(child, dataDir);
  if (!ready) {
    await stopServer(pid);
    return readFileSync(logFile).subarray(logStart).subarray(-LOG_TAIL_BYTES).toString('utf8');
  }
  await assertPasswordOpens(url, dataDir, pid);
  child.unref();
  const release = () => {
    process.removeListener('exit', stopOnExit);
    watcher.release();
  };
  const stop = async () => {
    await stopOwn(pid, dataDir);
    await watcher.close();
  };
  return { url, port, pid, dataDir, logFile, stop, release };
}

async function stopOwn(pid: number, dataDir: string): Promise<void> {
  if (!(await stopServer(pid))) throw new Error(`PostgreSQL ${pid} of ${dataDir} does not end`);
  rmSync(`${dataDir}.owner`, { force: true });
}

/** Fast shutdown; when that takes too long an immediate one, from which the next start recovers. */
async function stopServer(pid: number): Promise<boolean> {
  signalProcess(pid, 'SIGINT');
  if (await waitForEnd(pid, FAST_SHUTDOWN_BOUND_MS)) return true;
  signalProcess(pid, 'SIGQUIT');
  return waitForEnd(pid, FAST_SHUTDOWN_BOUND_MS);
}

/** PostgreSQL writes its own state as the eighth line of its lock file. */
async function waitUntilReady(child: ChildProcess, dataDir: string): Promise<boolean> {
  const lockFile = join(dataDir, 'postmaster.pid');
  for (let waitedMs = 0; waitedMs < READY_BOUND_MS; waitedMs += POLL_MS) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    const lines = readLines(lockFile);
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return true;
    await pause(POLL_MS);
  }
  return false;
}

async function assertPasswordOpens(url: string, dataDir: string, pid: number): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  try {
    await client.connect();
    await client.end();
  } catch (error) {
    await stopOwn(pid, dataDir);
    throw new EnvironmentFailure(
      `the password beside ${dataDir} does not open the database: ${(error as Error).message}`,
    );
  }
}

function openLog(logFile: string): number {
  try {
    return openSync(logFile, 'a', 0o600);
  } catch (error) {
    throw new EnvironmentFailure(`cannot write the log of the database: ${(error as Error).message}`);
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** The first line that PostgreSQL itself calls an error: what it says after that is how it tidies up. Otherwise the last one. */
function reasonIn(text: string): string {
  const lines = text.trim().split('\n');
  return (lines.find((line) => /\b(error|FATAL|PANIC): /.test(line)) ?? lines.at(-1) ?? '').trim();
}
