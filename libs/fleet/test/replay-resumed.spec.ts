import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { LOCK_FILES } from '../src/chain/folder-lock.js';
import { descendantsOf, startMarkOf, waitForEnd } from '../src/process-table.js';
import type { StoreState } from '../src/replay/replay-folder.js';
import type { ReplayReport } from '../src/replay/run-replay.js';
import { FIXTURES, INPUT, startReplay } from './replay-command.js';

const RUNS_MS_MAX = 600_000;
const LOOK_MS = 10;

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-resumed-spec-'));
  // The user who runs PostgreSQL passes through.
  chmodSync(folder, 0o755);
  data = join(folder, 'data');
});
afterEach(async () => {
  await dropDatabase();
  rmSync(folder, { recursive: true, force: true });
});

/** On a server of one's own the database of a replay with `--data` stays. */
async function dropDatabase(): Promise<void> {
  const name = `branchline_replay_${createHash('sha256').update(data).digest('hex').slice(0, 8)}`;
  const client = new pg.Client({ connectionString: process.env['BRANCHLINE_TEST_DATABASE_URL'] });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await client.end();
}

function stores(): StoreState[] {
  const of = join(data, 'stores');
  const files = existsSync(of) ? readdirSync(of).filter((name) => name.endsWith('.json')) : [];
  return files.map((name) => JSON.parse(readFileSync(join(of, name), 'utf8')) as StoreState);
}

/** Kills a run and nothing else as soon as its stores are as wanted, and waits until nothing of it is left. */
async function runAndKill(args: string[], when: (stores: StoreState[]) => boolean): Promise<void> {
  const { child, run, ended } = startReplay(folder, args);
  while (!when(stores())) {
    if (child.exitCode !== null) throw new Error(`it ended before it was to be killed: ${run.stderr}`);
    await pause(LOOK_MS);
  }
  const started = descendantsOf(child.pid ?? 0);
  child.kill('SIGKILL');
  await ended;
  expect(started.length).toBeGreaterThan(0);
  for (const pid of started) expect(await waitForEnd(pid, 20_000)).toBe(true);
}

const isAway = ({ outage }: StoreState) => outage !== null && outage.awayFrom !== '' && outage.killedPid === 0;
const isStruck = ({ outage }: StoreState) => outage !== null && outage.killedPid > 0 && outage.restartedPid === 0;
const isDone = ({ done }: StoreState) => done !== null;

/** The seconds are those of all calls together, so one that has nothing to do adds its own start. */
const withoutTimes = (closing: string): string => closing.replaceAll(/(seconds|baskets_per_second)=[\d.]+ /g, '');

describe('a replay that was killed', () => {
  it(
    'goes on where it was, and says in the end what an uninterrupted one says',
    async () => {
      const ids = ['321', '46', '55'];
      const out = join(folder, 'out.json');
      const args = [...INPUT, '--store-ids', ids.join(','), '--outage', '--data', data, '--out', out];
      await runAndKill([...args, '--boxes', '1'], (all) => all.some(isAway));
      // Between the kill of the edge and the answer to the sale that met it.
      await runAndKill([...args, '--boxes', '1'], (all) => all.some(isStruck));
      await runAndKill([...args, '--boxes', '2'], (all) => all.some(isDone) && !all.every(isDone));
      const doneBefore = stores().filter(isDone);
      expect(doneBefore.length).toBeGreaterThan(0);

      const { code, stdout, stderr } = await startReplay(folder, args).ended;
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining(`goes on with ${data}`) });
      expect(stdout).toMatch(/^stores=3 baskets=\d+ net=\d+ seconds=[\d.]+ baskets_per_second=[\d.]+ differs=0\n$/);
      const report = JSON.parse(readFileSync(out, 'utf8')) as ReplayReport;
      const expected = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as ReplayReport;
      for (const [position, id] of ids.entries()) {
        expect(report.per_store[id]).toEqual(expected.per_store[id]);
        const outage = report.outages[id];
        expect(outage?.awayFrom && outage.awayFrom < outage.awayTo).toBe(true);
        expect(outage?.killedPid).not.toBe(outage?.restartedPid);
        expect(outage).toMatchObject({ retriedIds: [expect.any(String)], replayedReplies: position % 2 });
      }
      for (const store of doneBefore) expect(stores()).toContainEqual(store);

      // There is nothing left to do, and the answer is the same.
      const again = await startReplay(folder, args).ended;
      expect({ code: again.code, said: withoutTimes(again.stdout) }).toEqual({ code: 0, said: withoutTimes(stdout) });
      expect(JSON.parse(readFileSync(out, 'utf8'))).toMatchObject({ per_store: report.per_store, total: report.total });
    },
    RUNS_MS_MAX,
  );

  it(
    'is refused for other input, in one line, and nothing is touched',
    async () => {
      const args = [...INPUT, '--store-ids', '55', '--data', data];
      await runAndKill(args, (all) => all.length > 0);
      const look = () => [
        ...readdirSync(data).filter((name) => !LOCK_FILES.includes(name)),
        readFileSync(join(data, 'replay.json'), 'utf8'),
      ];
      const before = look();
      const sales = join(folder, 'sales.csv');
      writeFileSync(sales, `${readFileSync(join(FIXTURES, 'sales.csv'), 'utf8')}\n`);
      const others = [
        [...args, '--outage'],
        [...INPUT, '--store-ids', '46', '--data', data],
        [...INPUT.slice(0, 3), sales, '--store-ids', '55', '--data', data],
      ];
      for (const [index, other] of others.entries()) {
        const { code, stdout, stderr } = await startReplay(folder, other).ended;
        expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
        expect(stderr).toMatch(
          new RegExp(`^replay: .*begun with other ${['--outage', 'stores', 'sales'][index]}\n$`, 'm'),
        );
      }
      expect(look()).toEqual(before);
    },
    RUNS_MS_MAX,
  );
});

describe('a folder for a replay', () => {
  it('that holds something else is refused and left as it is', async () => {
    writeFileSync(join(folder, 'letter.txt'), 'dear');
    const { code, stderr } = await startReplay(folder, [...INPUT, '--stores', '1', '--data', folder]).ended;
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('not empty, and no replay') });
    expect(readdirSync(folder)).toEqual(['letter.txt']);
  });
});

describe('a replay that is to be kept', () => {
  it(
    'ends with its figures, and hub, database and edges can be asked until they are told to stop',
    async () => {
      const { code, stdout, stderr } = await startReplay(
        folder,
        [...INPUT, '--store-ids', '55,46', '--boxes', '1', '--data', data, '--keep'],
        '',
      ).ended;
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(stdout).toMatch(/^stores=2 .* differs=0\n$/);
      expect(stderr).toContain(`npm run replay -- --stop --data ${data}\n`);
      interface Fleet {
        hub: { url: string; pid: number; databaseUrl: string };
        edges: { url: string; pid: number }[];
      }
      const { hub, edges } = JSON.parse(readFileSync(join(data, 'fleet.json'), 'utf8')) as Fleet;
      expect(edges).toHaveLength(1);
      for (const url of [hub.url, ...edges.map((edge) => edge.url)]) {
        expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      }
      const signIns = JSON.parse(readFileSync(join(data, 'sign-ins.json'), 'utf8')) as {
        headOffice: { email: string; password: string };
        branches: { deviceToken: string; operators: { operator: string; pin: string }[] }[];
      };
      const post = (url: string, body: unknown, token?: string) =>
        fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
          body: JSON.stringify(body),
        });
      const { email, password } = signIns.headOffice;
      expect((await post(`${hub.url}/v1/auth/login`, { email, password })).status).toBe(200);
      const [branch] = signIns.branches;
      const { operator, pin } = branch?.operators[0] ?? {};
      expect((await post(`${edges[0]?.url}/v1/auth/pin`, { operator, pin }, branch?.deviceToken)).status).toBe(200);
      const client = new pg.Client({ connectionString: hub.databaseUrl });
      await client.connect();
      const server = (await client.query<{ n: number }>('SELECT 1 AS n')).rows;
      await client.end();
      expect(server).toEqual([{ n: 1 }]);

      const pids = [hub.pid, ...edges.map(({ pid }) => pid)];
      const askDatabase = () => new pg.Client({ connectionString: hub.databaseUrl }).connect();
      for (const pid of pids) expect(startMarkOf(pid)).not.toBeNull();
      const stop = await startReplay(folder, ['--stop', '--data', data], '').ended;
      expect(stop).toMatchObject({ code: 0, stdout: '' });
      for (const pid of pids) expect(startMarkOf(pid)).toBeNull();
      await expect(askDatabase()).rejects.toThrow(/ECONNREFUSED/);
      expect(existsSync(join(data, 'fleet.json'))).toBe(false);
      const nothing = await startReplay(folder, ['--stop', '--data', data], '').ended;
      expect(nothing).toMatchObject({ code: 0, stderr: 'nothing was running\n' });
    },
    RUNS_MS_MAX,
  );

  // Whatever went wrong above: nothing is left running.
  afterEach(async () => {
    if (existsSync(data)) await startReplay(folder, ['--stop', '--data', data], '').ended;
  });
});
