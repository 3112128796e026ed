import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import axios from 'axios';
import pg from 'pg';
import { HubClient } from '../src/chain/hub-client.js';
import type { TrialBranch } from '../src/demo/trial-control.js';
import { signalProcess, startMarkOf } from '../src/process-table.js';

const COMMAND = fileURLToPath(new URL('../dist/commands/start.js', import.meta.url));
const CASE_MS_MAX = 240_000;
const SERVER = process.env['BRANCHLINE_TEST_DATABASE_URL'] ?? '';

interface Fleet {
  hub: { url: string; pid: number; databaseUrl: string };
  edges: { branch: string; url: string; pid: number; line: string }[];
}

let folder: string;
let started: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-start-spec-'));
  started = [];
});
afterEach(async () => {
  for (const child of started) child.kill('SIGKILL');
  const fleet = readJson<Fleet>('fleet.json');
  for (const pid of fleet ? pidsOf(fleet) : []) signalProcess(pid, 'SIGKILL');
  if (fleet) await dropDatabase(new URL(fleet.hub.databaseUrl).pathname.slice(1));
  rmSync(folder, { recursive: true, force: true });
});

/** A supervisor with one store; `said` grows. */
function start(args: string[] = []) {
  const flags = ['--data', folder, '--edges', '1', '--port-base', '0', ...args];
  const env = { ...process.env, DATABASE_URL: SERVER };
  const child = spawn(process.execPath, [COMMAND, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const run = { child, said: '', ended: once(child, 'close').then(([code]) => code as number | null) };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => (run.said += piece));
  }
  return run;
}

async function untilSaid(run: ReturnType<typeof start>, what: RegExp): Promise<void> {
  let isOver = false;
  void run.ended.then(() => (isOver = true));
  while (!what.test(run.said)) {
    if (isOver) throw new Error(`it ended: ${run.said}`);
    await pause(50);
  }
}

function readJson<T>(name: string): T | null {
  try {
    return JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
  } catch {
    return null;
  }
}

function fleetNow(): Fleet {
  const fleet = readJson<Fleet>('fleet.json');
  if (!fleet) throw new Error('there is no fleet.json');
  return fleet;
}

const pidsOf = ({ hub, edges }: Fleet): number[] => [hub.pid, ...edges.map(({ pid }) => pid)];

async function dropDatabase(name: string): Promise<void> {
  const client = new pg.Client({ connectionString: SERVER });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`);
  await client.end();
}

async function until<T>(look: () => Promise<T>, isSo: (seen: T) => boolean): Promise<T> {
  for (;;) {
    const seen = await look();
    if (isSo(seen)) return seen;
    await pause(100);
  }
}

/** At least what the tills had been told by then: they sell on. */
async function hubSees({ branch, businessDate, tillBaskets, tillTotalMinor }: TrialBranch): Promise<boolean> {
  const { url } = fleetNow().hub;
  const { email = '', password = '' } =
    readJson<{ headOffice: { email: string; password: string } }>('sign-ins.json')?.headOffice ?? {};
  const hub = new HubClient(url, { email, password }, systemClock, new AbortController().signal);
  try {
    const { rows } = await hub.salesByDay({ from: businessDate, to: businessDate });
    const row = rows.find((each) => each.branch === branch);
    return row !== undefined && row.baskets >= tillBaskets && row.totalMinor >= tillTotalMinor;
  } finally {
    hub.close();
  }
}

/** As the page does with the fragment of its address. */
async function signInByLink(link: string): Promise<{ accessToken: string }> {
  const { origin, hash } = new URL(link);
  expect(readJson('sign-ins.json')).toMatchObject({ open: link });
  expect(readFileSync(join(folder, 'fleet.json'), 'utf8')).not.toContain(hash);
  const code = hash.replace('#sign-in=', '');
  return (await axios.post<{ accessToken: string }>(`${origin}/v1/auth/link`, { code })).data;
}

const linkIn = (said: string): string => /^open {2}(http:\S+)$/m.exec(said)?.[1] ?? '';

describe('npm start', () => {
  it(
    'trades, brings back an edge that died, and goes on after Ctrl-C and after SIGKILL with the same sign-ins',
    async () => {
      const first = start();
      await untilSaid(first, /^READY$/m);
      const signIns = readFileSync(join(folder, 'sign-ins.json'), 'utf8');
      expect(statSync(join(folder, 'sign-ins.json')).mode & 0o777).toBe(0o600);
      expect(first.said).toContain(join(folder, 'sign-ins.json'));
      await signInByLink(linkIn(first.said));
      const { edges } = fleetNow();
      expect(edges.map(({ branch }) => branch)).toEqual(['B001']);
      signalProcess(edges[0]?.pid ?? 0, 'SIGKILL');
      await untilSaid(first, /edge B001 ended \(SIGKILL\), starting it again/);
      await untilSaid(first, /edge B001 is back after [\d.]+ s/);
      while (fleetNow().edges[0]?.pid === edges[0]?.pid) await pause(50);

      first.child.kill('SIGKILL');
      await first.ended;
      const orphans = pidsOf(fleetNow());
      const second = start();
      await untilSaid(second, /^READY$/m);
      expect(orphans.filter((pid) => startMarkOf(pid) !== null)).toEqual([]);
      const { headOffice, branches } = JSON.parse(signIns) as { headOffice: object; branches: { operators: object }[] };
      expect(readJson('sign-ins.json')).toMatchObject({
        headOffice: { ...headOffice, url: fleetNow().hub.url },
        branches: [{ operators: branches[0]?.operators }],
      });

      second.child.kill('SIGINT');
      expect(await second.ended).toBe(0);
      expect(pidsOf(fleetNow()).filter((pid) => startMarkOf(pid) !== null)).toEqual([]);
    },
    CASE_MS_MAX,
  );

  /** Only Linux shows what a process was handed. */
  (process.platform === 'linux' ? it : it.skip)(
    'hands its hub the switches: a line is cut, tills sell on, and after its repair head office sees what they were told',
    async () => {
      const run = start();
      await untilSaid(run, /^READY$/m);
      const { hub } = fleetNow();
      const handed = readFileSync(`/proc/${hub.pid}/environ`, 'utf8').split('\0');
      const valueOf = (name: string): string => handed.find((each) => each.startsWith(`${name}=`))?.split('=')[1] ?? '';
      const token = valueOf('HUB_TRIAL_CONTROL_TOKEN');
      const switches = axios.create({
        baseURL: valueOf('HUB_TRIAL_CONTROL_URL'),
        headers: { authorization: `Bearer ${token}` },
      });
      expect(Buffer.from(token, 'base64url')).toHaveLength(32);
      expect(readFileSync(join(folder, 'fleet.json'), 'utf8')).not.toContain(token);
      const look = async (): Promise<TrialBranch> =>
        (await switches.get<{ branches: [TrialBranch] }>('/')).data.branches[0];

      await switches.post('/branches/B001/cut');
      const cut = await look();
      await until(look, ({ tillBaskets, queue }) => tillBaskets > cut.tillBaskets && (queue ?? 0) > 0);
      // The way the page takes.
      const { accessToken } = await signInByLink(linkIn(run.said));
      const headers = { authorization: `Bearer ${accessToken}` };
      expect((await axios.post(`${hub.url}/v1/trial/B001/restore`, null, { headers })).data).toEqual({ ok: true });
      const whole = await until(look, ({ queue, line }) => queue === 0 && line === 'up');
      expect(await hubSees(whole)).toBe(true);
      await switches.post('/branches/B001/kill');
      await until(look, ({ box, queue }) => box === 'down' && queue === null);
      await until(look, ({ box, headSeq }) => box === 'up' && headSeq !== null);
      run.child.kill('SIGINT');
      expect(await run.ended).toBe(0);
    },
    CASE_MS_MAX,
  );

  it('says which port is taken and starts nothing', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const run = start(['--port-base', String(port)]);
    expect(await run.ended).toBe(3);
    expect(run.said).toBe(`start: port ${port} is in use\n`);
    server.close();
  });

  it(
    'refuses a folder that another supervisor has, and a number of stores that is not its',
    async () => {
      const other = start(['--port-base', '0']);
      await untilSaid(other, /setting up/);
      const late = start();
      expect(await late.ended).toBe(3);
      expect(late.said).toBe(`start: ${folder} is in use by process ${other.child.pid}\n`);
      await untilSaid(other, /^READY$/m);
      other.child.kill('SIGINT');
      expect(await other.ended).toBe(0);
      const more = start(['--edges', '2']);
      expect(await more.ended).toBe(2);
      expect(more.said).toContain('--fresh begins anew');
    },
    CASE_MS_MAX,
  );
});
