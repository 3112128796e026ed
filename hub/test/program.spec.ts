import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@branchline/fleet/testing/database.js';
import axios from 'axios';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The built programs, as an operator meets them. */
const DIST = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

/** A start takes two or three seconds where others share the machine. */
jest.setTimeout(180_000);

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  folder = mkdtempSync(join(tmpdir(), 'branchline-program-'));
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Env = Record<string, string | undefined>;
type Ended = { code: number | null; stdout: string; stderr: string };

const environment = (env: Env): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  DATABASE_URL: database.url,
  HUB_PORT: '0',
  HUB_SECRETS_DIR: join(folder, 'secrets'),
  LOG_LEVEL: 'warn',
  ...env,
});

function start(
  script: string,
  args: string[] = [],
  env: Env = {},
): { child: ChildProcess; ended: Promise<Ended>; said: () => string } {
  const child = spawn(process.execPath, [join(DIST, script), ...args], {
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { child, ended, said: () => stdout };
}

/** Started and trading: its one line is there. */
async function trading(env: Env = {}): Promise<{ child: ChildProcess; ended: Promise<Ended>; url: string }> {
  const { child, ended, said } = start('main.js', [], env);
  while (!said().includes('\n')) {
    const failure = await Promise.race([ended, once(child.stdout as NodeJS.EventEmitter, 'data')]);
    if (!Array.isArray(failure)) throw new Error(`the hub ended: ${failure.stderr}`);
  }
  return { child, ended, url: (JSON.parse(said()) as { url: string }).url };
}

describe('the hub as a program', () => {
  it('says one line when it trades, keeps its keys to itself and stops when asked', async () => {
    const { child, ended, url } = await trading();
    expect((await axios.get(`${url}/health/ready`)).data).toMatchObject({ ready: true });
    child.kill('SIGTERM');
    const { code, stdout } = await ended;
    expect([code, stdout]).toEqual([0, `${JSON.stringify({ ready: true, url })}\n`]);
    expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700);
    for (const file of ['certifying-ed25519.pem', 'people-es256.pem', 'boxes-es256.pem', 'pepper-master']) {
      expect([file, statSync(join(folder, 'secrets', file)).mode & 0o777]).toEqual([file, 0o600]);
    }
  });

  it('ends with its parent where that is asked for', async () => {
    const { child, ended } = await trading({ BRANCHLINE_STOP_WITH_PARENT: '1' });
    child.stdin?.end();
    expect((await ended).code).toBe(0);
  });

  it('keeps its epoch from start to start', async () => {
    const epoch = async (): Promise<string> =>
      (JSON.parse((await start('cli.js', ['doctor']).ended).stdout) as { hubEpoch: string }).hubEpoch;
    const before = await epoch();
    const { child, ended } = await trading();
    child.kill('SIGINT');
    await ended;
    expect(await epoch()).toBe(before);
  });

  it('begins another epoch when it is told to', async () => {
    const told = async (command: string): Promise<string> =>
      (JSON.parse((await start('cli.js', [command]).ended).stdout) as { hubEpoch: string }).hubEpoch;
    const before = await told('doctor');
    const renewed = await told('renew-epoch');
    expect(renewed).not.toBe(before);
    expect(await told('doctor')).toBe(renewed);
  });

  it('says in one line what its environment lacks, and exits 3', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const openFolder = mkdtempSync(join(folder, 'open-'));
    chmodSync(openFolder, 0o755);
    const cases: [Env, RegExp][] = [
      [{ DATABASE_URL: undefined, HUB_PORT: 'x' }, /^hub: DATABASE_URL: .*HUB_PORT: /],
      [{ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' }, /^hub: the database cannot be opened: /],
      [{ HUB_PORT: String(port) }, /^hub: 127\.0\.0\.1:\d+ is in use/],
      [{ HUB_HOST: '0.0.0.0' }, /^hub: HUB_HOST: .*HUB_TLS_CERT/],
      [{ HUB_TLS_CERT: '/nowhere' }, /^hub: HUB_TLS_CERT and HUB_TLS_KEY belong together/],
      [{ HUB_SECRETS_DIR: openFolder }, /^hub: .* may be read by others/],
    ];
    for (const [env, line] of cases) {
      const { code, stdout, stderr } = await start('main.js', [], env).ended;
      expect([env, code, stdout]).toEqual([env, 3, '']);
      const said = stderr
        .trim()
        .split('\n')
        .filter((each) => !each.startsWith('{'));
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(line);
    }
    taken.close();
  });
});

describe('the commands of the hub', () => {
  it('makes a tenant and tells its secret once', async () => {
    const first = await start('cli.js', [
      'init',
      '--tenant',
      'ACME',
      '--name',
      'Acme',
      '--admin-email',
      'Admin@Acme.example',
    ]).ended;
    expect(first.code).toBe(0);
    const made = JSON.parse(first.stdout) as { tenant: string; email: string; password: string };
    expect(made).toEqual({
      tenant: 'ACME',
      email: 'admin@acme.example',
      password: expect.stringMatching(/^[\w-]{24}$/),
    });
    const again = await start('cli.js', [
      'init',
      '--tenant',
      'ACME',
      '--name',
      'Acme',
      '--admin-email',
      'two@acme.example',
    ]).ended;
    expect([again.code, again.stdout]).toEqual([2, '']);
    const { child, ended, url } = await trading();
    expect((await axios.post(`${url}/v1/auth/login`, { email: made.email, password: made.password })).status).toBe(200);
    child.kill('SIGTERM');
    await ended;
  });

  it('exits 2 for what it does not understand, 0 for help', async () => {
    for (const args of [['nonsense'], ['init'], ['init', '--tenant', 'lower', '--name', 'x', '--admin-email', 'x']]) {
      expect([args, (await start('cli.js', args).ended).code]).toEqual([args, 2]);
    }
    expect((await start('cli.js', ['--help']).ended).code).toBe(0);
  });

  it('finds a table whose wall was taken down', async () => {
    expect(JSON.parse((await start('cli.js', ['migrate']).ended).stdout)).toEqual({ migrated: [] });
    expect((await start('cli.js', ['doctor']).ended).code).toBe(0);
    const { openDataSource } = await import('../src/database/database.js');
    const owner = await openDataSource(database.url, 1);
    await owner.query('ALTER TABLE person NO FORCE ROW LEVEL SECURITY');
    await owner.query('CREATE TABLE forgotten (id int)');
    await owner.destroy();
    const { code, stdout } = await start('cli.js', ['doctor']).ended;
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as { wrong: string[] }).wrong).toEqual([
      'table forgotten has no tenant_id',
      'table person has no row-level security forced on it',
    ]);
  });
});
