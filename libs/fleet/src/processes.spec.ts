import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { descendantsOf, signalProcess, startMarkOf, waitForEnd } from './process-table.js';
import { type Program, Supervisor } from './processes.js';

let folder: string;
let supervisor: Supervisor;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-processes-'));
  supervisor = new Supervisor(folder);
});
afterEach(async () => {
  await supervisor.stopAll();
  rmSync(folder, { recursive: true });
});

function program(source: string): Program {
  const script = join(folder, 'program.mjs');
  writeFileSync(script, source);
  return { name: 'edge 319', args: [script], env: { STORE: '319' }, logFile: join(folder, 'logs', 'edge.log') };
}

const READY = `console.log(JSON.stringify({ ready: true, url: 'http://127.0.0.1:1', store: process.env.STORE }));`;
const STAYS = `setInterval(() => undefined, 1000);`;
const pids = (): { pid: number }[] => JSON.parse(readFileSync(join(folder, 'pids.json'), 'utf8')) as { pid: number }[];

describe('a supervised program', () => {
  it('is started when it says so, after whatever else it says', async () => {
    const child = await supervisor.start(program(`console.log('warming up'); console.log('{}'); ${READY} ${STAYS}`));
    expect(child.url).toBe('http://127.0.0.1:1');
    expect(await child.untilReady()).toMatchObject({ store: '319' });
    expect(pids().map(({ pid }) => pid)).toEqual([child.pid]);
    expect(await child.stop()).toMatchObject({ signal: 'SIGTERM' });
    expect(pids()).toEqual([]);
  });

  it('that ends before it is ready is told with its exit code and its last line', async () => {
    const failing = supervisor.start(
      program(`console.error('first'); console.error('no space'); process.exitCode = 1;`),
    );
    await expect(failing).rejects.toThrow('edge 319 ended with 1: no space');
    const refused = supervisor.start(program(`console.error('edge: port 80 is in use'); process.exitCode = 3;`));
    await expect(refused).rejects.toMatchObject({ name: 'EnvironmentFailure', message: 'edge: port 80 is in use' });
  });

  it('that does not heed SIGTERM is killed', async () => {
    const child = await supervisor.start(program(`process.on('SIGTERM', () => undefined); ${READY} ${STAYS}`));
    expect(await child.stop(100)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('can be killed and started again with the same log', async () => {
    const first = await supervisor.start(program(`console.error('here'); ${READY} ${STAYS}`));
    first.kill('SIGKILL');
    expect(await first.exited).toMatchObject({ signal: 'SIGKILL', lastLine: 'here' });
    const second = await supervisor.start(first.program);
    expect(second.pid).not.toBe(first.pid);
    expect(readFileSync(first.program.logFile, 'utf8')).toBe('here\nhere\n');
  });

  it('may end when its list cannot be written any more', async () => {
    const child = await supervisor.start(program(`${READY} ${STAYS}`));
    mkdirSync(join(folder, 'pids.json.new'));
    expect(await child.stop()).toMatchObject({ signal: 'SIGTERM' });
    await expect(supervisor.start(program(READY))).rejects.toThrow(/^cannot write .*pids\.json: /);
  });

  it('of a supervisor that is gone is stopped by the next one, a stranger with its pid is not', async () => {
    const child = await supervisor.start(program(`${READY} ${STAYS}`));
    const stranger: ChildProcess = spawn(process.execPath, ['-e', STAYS]);
    await once(stranger, 'spawn');
    const left = readFileSync(join(folder, 'pids.json'), 'utf8');
    const next = new Supervisor(join(folder, 'next'));
    const [entry] = JSON.parse(left) as { pid: number; startMark: string }[];
    writeFileSync(join(folder, 'next', 'pids.json'), JSON.stringify([entry, { ...entry, pid: stranger.pid }]));
    expect(await next.stopOrphans()).toEqual(['edge 319']);
    expect(await child.exited).toMatchObject({ signal: 'SIGTERM' });
    expect(startMarkOf(stranger.pid ?? 0)).not.toBeNull();
    stranger.kill('SIGKILL');
    await once(stranger, 'exit');
    await next.stopAll();
    expect(existsSync(join(folder, 'next', 'pids.json'))).toBe(false);
  });
});

describe('when its supervisor is killed', () => {
  const script = new URL('../dist/processes.js', import.meta.url).href;
  const exit = new URL('../../http/dist/exit.js', import.meta.url).href;

  /** A supervisor in a process of its own. @returns the pid of the program that it has started */
  async function superviseElsewhere(more: Partial<Program>): Promise<{ parent: ChildProcess; pid: number }> {
    const heeding = program(
      `import { stopWithParent } from ${JSON.stringify(exit)}; ${READY} stopWithParent(); ${STAYS}`,
    );
    const source = `const { Supervisor } = await import(${JSON.stringify(script)});
      const child = await new Supervisor(${JSON.stringify(folder)}).start(${JSON.stringify({ ...heeding, ...more })});
      console.log(child.pid); ${STAYS}`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(parent.stdout, 'data')) as [Buffer];
    return { parent, pid: Number(said.toString()) };
  }

  it('a program ends by itself', async () => {
    const { parent, pid } = await superviseElsewhere({});
    expect(startMarkOf(pid)).not.toBeNull();
    parent.kill('SIGKILL');
    expect(await waitForEnd(pid, 5_000)).toBe(true);
  });

  it('a program that is to outlive it goes on, until the next supervisor of the folder ends it', async () => {
    const { parent, pid } = await superviseElsewhere({ outlivesUs: true });
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(await waitForEnd(pid, 300)).toBe(false);
    expect(await new Supervisor(folder).stopOrphans()).toEqual(['edge 319']);
    expect(startMarkOf(pid)).toBeNull();
  });
});

describe('the table of processes', () => {
  it('knows who is there, who came from whom, and when one has ended', async () => {
    const source = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(STAYS)}]); console.log('up'); ${STAYS}`;
    const parent = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(parent.stdout, 'data');
    const found = descendantsOf(process.pid);
    const grandchildren = descendantsOf(parent.pid ?? 0);
    expect(found).toContain(parent.pid);
    expect(grandchildren).toHaveLength(1);
    expect(found).toEqual(expect.arrayContaining(grandchildren));
    for (const pid of [parent.pid ?? 0, ...grandchildren]) {
      expect(startMarkOf(pid)).not.toBeNull();
      signalProcess(pid, 'SIGKILL');
      expect(await waitForEnd(pid, 5_000)).toBe(true);
    }
    expect(await waitForEnd(process.pid, 50)).toBe(false);
  });
});
