import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

/** A database of its own for one spec, on the real PostgreSQL of the run. */
export interface TestDatabase {
  /** The superuser's (or that of DATABASE_URL). */
  url: string;
  /** Also ends whoever is still connected. */
  drop(): Promise<void>;
}

const TRIES_MAX = 50;
const OBJECT_IN_USE = '55006';
const DUPLICATE_DATABASE = '42P04';

/** @param template a database without connections, as `prepareTemplate` makes one; absent: an empty database. */
export async function createTestDatabase(template = 'template1'): Promise<TestDatabase> {
  const name = `${runPrefix()}spec_${randomBytes(8).toString('hex')}`;
  await copyDatabase(template, name);
  return { url: urlOf(name), drop: () => execute(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`) };
}

/**
 * Prepares a database once per run, for all workers, and gives its name for `createTestDatabase`: migrations run once, each spec gets
 * a copy. The title says what is in it.
 */
export async function prepareTemplate(title: string, prepare: (url: string) => Promise<void>): Promise<string> {
  const name = `${runPrefix()}template_${title}`;
  const keeper = await connect(baseUrl());
  try {
    await keeper.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    const known = await keeper.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (known.rowCount === 0) {
      const draft = await createTestDatabase();
      try {
        await prepare(draft.url);
        await copyDatabase(new URL(draft.url).pathname.slice(1), name);
      } finally {
        await draft.drop();
      }
    }
  } finally {
    await keeper.end();
  }
  return name;
}

async function copyDatabase(template: string, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await execute(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === DUPLICATE_DATABASE) return;
      // Somebody is just leaving the template, or another worker copies it.
      if (code !== OBJECT_IN_USE || attempt === TRIES_MAX) throw error;
      await pause(50);
    }
  }
}

/** Drops what this run has left: on a server of the user's own, that is not thrown away with the run. */
export async function dropRunDatabases(): Promise<void> {
  const keeper = await connect(baseUrl());
  try {
    const left = await keeper.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [runPrefix()],
    );
    for (const { datname } of left.rows) await keeper.query(`DROP DATABASE IF EXISTS "${datname}" WITH (FORCE)`);
  } finally {
    await keeper.end();
  }
}

/** Every database of a run bears it: two runs may share one server. */
function runPrefix(): string {
  const run = process.env['BRANCHLINE_TEST_RUN'];
  if (!run)
    throw new Error('BRANCHLINE_TEST_RUN is not set: this spec runs under the Jest configuration of the repository');
  return `bl_${run}_`;
}

function baseUrl(): string {
  const url = process.env['BRANCHLINE_TEST_DATABASE_URL'];
  if (!url)
    throw new Error(
      'BRANCHLINE_TEST_DATABASE_URL is not set: this spec runs under the Jest configuration of the repository',
    );
  return url;
}

function urlOf(database: string): string {
  const url = new URL(baseUrl());
  url.pathname = `/${database}`;
  return url.href;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

async function execute(sql: string): Promise<void> {
  const client = await connect(baseUrl());
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
