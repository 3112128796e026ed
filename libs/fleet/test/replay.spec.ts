import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { descendantsOf, startMarkOf, waitForEnd } from '../src/process-table.js';
import type { ReplayReport } from '../src/replay/run-replay.js';
import { FIXTURES, INPUT, startReplay } from './replay-command.js';

const REPLAY_MS_MAX = 240_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-replay-spec-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start = (args: string[], databaseUrl?: string) => startReplay(folder, args, databaseUrl);

const databaseOf = (path: string): string =>
  `branchline_replay_${createHash('sha256').update(path).digest('hex').slice(0, 8)}`;

/** Whether the server of this test run has it. */
async function isDatabase(name: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: process.env['BRANCHLINE_TEST_DATABASE_URL'] });
  await client.connect();
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  await client.end();
  return rowCount === 1;
}

describe('a replay of real sales', () => {
  it(
    'through an outage and a kill in every store ends with file, edges and hub equal to the cent',
    async () => {
      const out = join(folder, 'out.json');
      const stores = ['321', '46', '55'];
      const { ended } = start([...INPUT, '--store-ids', stores.join(','), '--boxes', '2', '--outage', '--out', out]);
      const { code, stdout, stderr } = await ended;
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toMatch(/^stores=3 baskets=\d+ net=\d+ seconds=[\d.]+ baskets_per_second=[\d.]+ differs=0\n$/);
      const report = JSON.parse(readFileSync(out, 'utf8')) as ReplayReport;
      const expected = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as ReplayReport;
      expect(Object.keys(report.per_store).sort()).toEqual(stores);
      for (const store of stores) expect(report.per_store[store]).toEqual(expected.per_store[store]);

      for (const [position, store] of stores.entries()) {
        const outage = report.outages[store];
        expect(outage?.awayFrom && outage.awayFrom < outage.awayTo).toBe(true);
        expect(outage?.peakQueue).toBeGreaterThanOrEqual(position === 0 ? 20 : 2);
        expect(outage?.killedPid).not.toBe(outage?.restartedPid);
        expect(outage?.retriedIds).toHaveLength(1);
        // By turns before the edge had the request and after it had replied.
        expect(outage?.replayedReplies).toBe(position % 2);
      }
      for (const mb of Object.values(report.memory)) expect(mb === null || mb > 20).toBe(true);
      expect(readdirSync(folder)).toEqual(['out.json']);
    },
    REPLAY_MS_MAX,
  );

  it(
    'that was killed leaves a folder and a database, which the next one removes, and nothing that is not its own',
    async () => {
      const killed = start([...INPUT, '--stores', '1']);
      while (!/hub at/.test(killed.run.stderr)) await Promise.race([once(killed.child.stderr, 'data'), killed.ended]);
      const processes = descendantsOf(killed.child.pid ?? 0);
      killed.child.kill('SIGKILL');
      await killed.ended;
      for (const pid of processes) expect(await waitForEnd(pid, 20_000)).toBe(true);
      const [left = ''] = readdirSync(folder);
      const database = databaseOf(join(folder, left));
      expect(await isDatabase(database)).toBe(true);
      // Of the same name: one that is kept, a file, a link to what is somebody's.
      mkdirSync(join(folder, 'branchline-replay-kept'));
      writeFileSync(join(folder, 'branchline-replay-file'), '');
      mkdirSync(join(folder, 'elsewhere'));
      writeFileSync(join(folder, 'elsewhere', 'throwaway'), '');
      symlinkSync(join(folder, 'elsewhere'), join(folder, 'branchline-replay-link'));
      const others = readdirSync(folder).filter((name) => name !== left);

      const next = await start([...INPUT, '--stores', '1']).ended;
      expect({ code: next.code, stderr: next.stderr }).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(`removed ${join(folder, left)}, which a replay that was killed had left\n`),
      });
      expect(readdirSync(folder)).toEqual(others);
      expect(readdirSync(join(folder, 'elsewhere'))).toEqual(['throwaway']);
      expect(await isDatabase(database)).toBe(false);
    },
    REPLAY_MS_MAX,
  );

  it(
    'leaves the folder of another one alone that is under way',
    async () => {
      const other = start([...INPUT, '--stores', '1']);
      while (!/hub at/.test(other.run.stderr)) await Promise.race([once(other.child.stderr, 'data'), other.ended]);
      const next = await start([...INPUT, '--stores', '1']).ended;
      expect({ code: next.code, stderr: next.stderr }).toMatchObject({
        code: 0,
        stderr: expect.not.stringContaining('removed'),
      });
      expect(await other.ended).toMatchObject({ code: 0 });
    },
    REPLAY_MS_MAX,
  );

  it('names every bad row, starts nothing and leaves nothing', async () => {
    const sales = readFileSync(join(FIXTURES, 'sales.csv'), 'utf8').split('\n');
    const bad = [...sales.slice(0, 3), '1,2,3', sales[3]?.replace(/^\d+/, 'x'), ''].join('\n');
    writeFileSync(join(folder, 'bad.csv'), bad);
    const { ended } = start([...INPUT.slice(0, 3), join(folder, 'bad.csv'), '--out', join(folder, 'out.json')]);
    const { code, stdout, stderr } = await ended;
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^line 4: wrong columns/m);
    expect(stderr).toMatch(/^line 5: household_id is not a whole number/m);
    expect(readdirSync(folder)).toEqual(['bad.csv']);
  });

  it.each([
    ['a flag nobody knows', ['--nope'], 2],
    ['a store that is not in the file', [...INPUT, '--store-ids', '999999'], 2],
    ['--stores beside --store-ids', [...INPUT, '--stores', '1', '--store-ids', '46'], 2],
    ['no sales', INPUT.slice(0, 2), 2],
    ['--stop without its folder', ['--stop'], 2],
    ['--stop of a folder that is no replay', ['--stop', '--data', '/tmp'], 2],
    ['a folder for --data that nobody can make', [...INPUT, '--data', '/proc/branchline'], 3],
    ['a folder for --out that is not there', [...INPUT, '--out', '/nowhere/out.json'], 3],
  ])('is refused for %s', async (_what, args, exitCode) => {
    expect((await start(args).ended).code).toBe(exitCode);
  });

  it('without its database is refused in one line', async () => {
    const { code, stderr } = await start([...INPUT, '--stores', '1'], 'postgres://nobody:x@127.0.0.1:1/none').ended;
    expect(code).toBe(3);
    expect(stderr).toMatch(/^replay: DATABASE_URL: .*ECONNREFUSED.*\n$/m);
    expect(readdirSync(folder)).toEqual([]);
  });

  it(
    'that is interrupted stops all it has started and leaves nothing',
    async () => {
      const { child, run, ended } = start([...INPUT, '--stores', '2']);
      while (!/at the hub/.test(run.stderr)) await Promise.race([once(child.stderr, 'data'), ended]);
      const started = descendantsOf(child.pid ?? 0);
      expect(started.length).toBeGreaterThan(0);
      child.kill('SIGINT');
      expect(await ended).toMatchObject({ code: 1, stdout: '' });
      expect(started.filter((pid) => startMarkOf(pid) !== null)).toEqual([]);
      expect(readdirSync(folder)).toEqual([]);
    },
    REPLAY_MS_MAX,
  );
});
