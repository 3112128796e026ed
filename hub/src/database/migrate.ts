import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { DataSource, QueryRunner } from 'typeorm';
import { MIGRATIONS } from './migrations.js';
import { sqlStateOf, type Database } from './unit-of-work.js';

const SERVER_VERSION_MIN = 150_000;
/** Any constant: it only has to be the same for all hub processes. */
const MIGRATION_LOCK = 8_400_001;
const INSUFFICIENT_PRIVILEGE = '42501';
/** Somebody else made the same role at the same moment: roles belong to the whole server, our lock to one database. */
const MADE_MEANWHILE = new Set(['42710', '23505']);
const CONCURRENTLY_UPDATED = 'XX000';

/**
 * Brings the database to this version. Several processes may start at once: one migrates, the others wait for it.
 *
 * @returns names of the migrations that were run
 * @throws EnvironmentFailure for an old server, or without the role and the right to make it
 */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  try {
    await assertServer(runner);
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    try {
      await ensureAppRole(runner);
      const ran = await dataSource.runMigrations({ transaction: 'each' });
      return ran.map((migration) => migration.name);
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    }
  } finally {
    await runner.release();
  }
}

/** For a command that only reads. @throws EnvironmentFailure */
export async function assertMigrated(database: Database): Promise<void> {
  const [table] = await database.asOwner<{ is_there: boolean }>(
    `SELECT to_regclass('migration') IS NOT NULL AS is_there`,
  );
  const ran = table?.is_there ? await database.asOwner<{ name: string }>('SELECT name FROM migration') : [];
  if (ran.length !== MIGRATIONS.length)
    throw new EnvironmentFailure('the database is not of this version: run `migrate`');
}

async function assertServer(runner: QueryRunner): Promise<void> {
  const [server] = (await runner.query(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version`,
  )) as { number: number; version: string }[];
  if (server === undefined || server.number < SERVER_VERSION_MIN) {
    throw new EnvironmentFailure(`PostgreSQL 15 or newer is needed, this is ${server?.version}`);
  }
}

/** Superusers and owners pass row-level security by; so nothing runs as them. */
async function ensureAppRole(runner: QueryRunner): Promise<void> {
  const [found] = (await runner.query(`SELECT 1 FROM pg_roles WHERE rolname = 'branchline_app'`)) as unknown[];
  if (found === undefined) await createAppRole(runner);
  const [role] = (await runner.query(
    `SELECT rolsuper OR rolbypassrls AS passes FROM pg_roles WHERE rolname = 'branchline_app'`,
  )) as { passes: boolean }[];
  if (role?.passes)
    throw new EnvironmentFailure('the role branchline_app passes row-level security by (SUPERUSER or BYPASSRLS)');
  const [own] = (await runner.query(`SELECT pg_has_role('branchline_app', 'MEMBER') AS member`)) as {
    member: boolean;
  }[];
  if (own?.member) return;
  try {
    await runner.query('GRANT branchline_app TO CURRENT_USER');
  } catch (error) {
    if (sqlStateOf(error) === CONCURRENTLY_UPDATED) return ensureAppRole(runner);
    if (sqlStateOf(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new EnvironmentFailure(
      'this user may not act as branchline_app: let an administrator GRANT branchline_app to it',
    );
  }
}

async function createAppRole(runner: QueryRunner): Promise<void> {
  try {
    await runner.query('CREATE ROLE branchline_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS');
  } catch (error) {
    const state = sqlStateOf(error) ?? '';
    if (MADE_MEANWHILE.has(state)) return;
    if (state !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new EnvironmentFailure(
      'the role branchline_app is missing and this user may not create it: CREATE ROLE branchline_app NOLOGIN',
    );
  }
}
