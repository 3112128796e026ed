import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { removePostgresData, type RunningPostgres, startPostgres } from './postgres.js';
import { commandOf, descendantsOf, signalProcess, startMarkOf, waitForEnd } from './process-table.js';

let folder: string;
let dataDir: string;
let running: RunningPostgres | null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-postgres-spec-'));
  chmodSync(folder, 0o755);
  dataDir = join(folder, 'data');
  running = null;
});
afterEach(async () => {
  await running?.stop();
  removePostgresData(dataDir);
  rmSync(folder, { recursive: true, force: true });
});

async function ask<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}

const start = async (port = 0): Promise<RunningPostgres> => {
  running = await startPostgres({ dataDir, port, durability: 'throwaway' });
  return running;
};

describe('an embedded PostgreSQL', () => {
  it('keeps what it was told over a stop and a start, with its password and on 127.0.0.1 only', async () => {
    const first = await start();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    expect(statSync(`${dataDir}.password`).mode & 0o777).toBe(0o600);
    const wrong = new URL(first.url);
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
    expect(await ask(first.url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    await first.stop();
    expect(startMarkOf(first.pid)).toBeNull();
    const second = await start();
    expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  });

  it('is durable unless it is told to be a throwaway', async () => {
    running = await startPostgres({ dataDir });
    expect(await ask(running.url, 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await ask(running.url, 'SHOW synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('starts again after it was killed outright', async () => {
    const first = await start();
    signalProcess(first.pid, 'SIGKILL');
    await waitForEnd(first.pid, 5_000);
    const second = await start();
    expect(await ask(second.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('starts although its lock file names a process that is somebody else by now', async () => {
    const first = await start();
    await first.stop();
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)']);
    await once(stranger, 'spawn');
    writeFileSync(join(dataDir, 'postmaster.pid'), `${stranger.pid}\n${dataDir}\n1\n1\n\n127.0.0.1\n1\n`);
    const second = await start();
    expect(await ask(second.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    expect(startMarkOf(stranger.pid ?? 0)).not.toBeNull();
    stranger.kill('SIGKILL');
    await once(stranger, 'exit');
  });

  it('says in one line that a port is in use, and leaves nothing running', async () => {
    const first = await start();
    const other = join(folder, 'other');
    const refused = startPostgres({ dataDir: other, port: first.port, durability: 'throwaway' });
    await expect(refused).rejects.toMatchObject({
      name: 'EnvironmentFailure',
      message: `port ${first.port} is in use`,
    });
    expect(existsSync(join(other, 'postmaster.pid'))).toBe(false);
    removePostgresData(other);
  });

  it('begins anew beside what a start left that was killed while it made the database', async () => {
    const draft = `${dataDir}.new-1`;
    mkdirSync(draft);
    writeFileSync(join(draft, 'PG_VERSION'), '18');
    const first = await start();
    expect(await ask(first.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    expect(existsSync(draft)).toBe(false);
  });

  it('is not started twice on one folder', async () => {
    const first = await start();
    await expect(startPostgres({ dataDir })).rejects.toThrow(`${dataDir} is in use by process ${process.pid}`);
    expect(await ask(first.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('says in one line that a folder is not its own', async () => {
    writeFileSync(dataDir, 'a file');
    await expect(start()).rejects.toMatchObject({
      name: 'EnvironmentFailure',
      message: expect.not.stringContaining('\n'),
    });
    rmSync(dataDir);
  });

  it('says in one line that the password is gone, and stops', async () => {
    const first = await start();
    await first.stop();
    writeFileSync(`${dataDir}.password`, 'another\n');
    const refused = start();
    await expect(refused).rejects.toMatchObject({ name: 'EnvironmentFailure' });
    await expect(refused).rejects.toThrow(/does not open the database/);
    expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(false);
    running = null;
  });
});

describe('the parent of an embedded PostgreSQL', () => {
  const script = new URL('../dist/postgres.js', import.meta.url).href;
  let parent: ChildProcess | null = null;

  afterEach(() => void parent?.kill('SIGKILL'));

  async function startInAnotherProcess(then = ''): Promise<number> {
    const source = `const { startPostgres } = await import(${JSON.stringify(script)});
      const { pid, release } = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, durability: 'throwaway' });
      ${then};
      process.on('SIGTERM', () => process.exit(0));
      setInterval(() => undefined, 1000);
      console.log(pid);`;
    parent = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(parent.stdout ?? parent, 'data')) as [Buffer];
    return Number(said.toString());
  }

  it('takes it along when it exits', async () => {
    const pid = await startInAnotherProcess();
    parent?.kill('SIGTERM');
    expect(await waitForEnd(pid, 10_000)).toBe(true);
  });

  it('that has nothing else left to do still waits for the watcher of the one it has stopped', async () => {
    const watcher = new URL('../dist/postgres-watcher.js', import.meta.url).href;
    const source = `const { PostgresWatcher } = await import(${JSON.stringify(watcher)});
      await new PostgresWatcher(1, '/nowhere').close();
      process.exit(7);`;
    parent = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'ignore' });
    const [code] = (await once(parent, 'exit')) as [number];
    expect(code).toBe(7);
  });

  it('takes it along when it is killed', async () => {
    const pid = await startInAnotherProcess();
    parent?.kill('SIGKILL');
    expect(await waitForEnd(pid, 10_000)).toBe(true);
    expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(false);
  });

  it('that was killed with all that could watch leaves an orphan, which the next start replaces', async () => {
    const orphan = await startInAnotherProcess();
    const watchers = descendantsOf(parent?.pid ?? 0).filter((pid) => commandOf(pid)?.startsWith('/bin/sh'));
    expect(watchers).toHaveLength(1);
    for (const pid of watchers) signalProcess(pid, 'SIGKILL');
    parent?.kill('SIGKILL');
    await once(parent ?? process, 'exit');
    expect(startMarkOf(orphan)).not.toBeNull();
    const next = await start();
    expect(startMarkOf(orphan)).toBeNull();
    expect(await ask(next.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('that releases it leaves it running', async () => {
    const pid = await startInAnotherProcess('release()');
    const watchers = descendantsOf(parent?.pid ?? 0).filter((each) => each !== pid && startMarkOf(each) !== null);
    for (const watcher of watchers.filter((each) => commandOf(each)?.startsWith('/bin/sh'))) {
      expect(await waitForEnd(watcher, 5_000)).toBe(true);
    }
    parent?.kill('SIGKILL');
    await once(parent ?? process, 'exit');
    expect(startMarkOf(pid)).not.toBeNull();
    const next = await start();
    expect(startMarkOf(pid)).toBeNull();
    expect(startMarkOf(next.pid)).not.toBeNull();
  });

  it('that has nothing else to do is still there when it has stopped it', async () => {
    const source = `const { startPostgres } = await import(${JSON.stringify(script)});
      const main = async () => {
        const server = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, durability: 'throwaway' });
        await server.stop();
        process.exitCode = 5;
      };
      void main();`;
    parent = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'inherit' });
    expect(await once(parent, 'exit')).toEqual([5, null]);
  });

  it('that lives keeps its folder to itself', async () => {
    const pid = await startInAnotherProcess();
    await expect(start()).rejects.toThrow(`${dataDir} is in use by process ${parent?.pid}`);
    expect(startMarkOf(pid)).not.toBeNull();
    parent?.kill('SIGTERM');
    await waitForEnd(pid, 10_000);
  });
});

// Only root has to lend the server to another user, who may not get into root's own folders.
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
asRoot('root', () => {
  it('keeps the data elsewhere when the folder is closed to the user who runs the server', async () => {
    chmodSync(folder, 0o700);
    const first = await start();
    expect(dirname(first.dataDir)).not.toBe(folder);
    await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    const second = await start();
    expect(second.dataDir).toBe(first.dataDir);
    expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    await second.stop();
    running = null;
    removePostgresData(dataDir);
    expect(existsSync(first.dataDir)).toBe(false);
  });
});
