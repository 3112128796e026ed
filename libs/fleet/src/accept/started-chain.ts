import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '@branchline/domain/clock.js';
import axios from 'axios';
import { z } from 'zod';
import { type Credentials, HubClient } from '../chain/hub-client.js';
import { lastLine } from '../mutants/run-program.js';
import { descendantsOf, signalProcess, startMarkOf } from '../process-table.js';
import { plainEnvironment } from './scratch.js';

const fleetSchema = z.looseObject({
  hub: z.looseObject({ url: z.url(), pid: z.int(), databaseUrl: z.string() }),
  edges: z.array(
    z.looseObject({ branch: z.string(), url: z.url(), pid: z.int(), database: z.string(), line: z.url() }),
  ),
});

const signInsSchema = z.looseObject({
  branches: z.array(z.looseObject({ branch: z.string(), url: z.string(), deviceToken: z.string() })),
});

export type Fleet = z.output<typeof fleetSchema>;

export const START_COMMAND = 'libs/fleet/dist/commands/start.js';
const POLL_MS = 250;
const TAIL_CHARACTERS = 4_096;

/**
 * What `npm start` runs, as a terminal has it: a process group, to which Ctrl-C sends SIGINT as a whole. Without npm around it, whose
 * shell dies of that SIGINT whatever the program's own exit code is.
 */
export class StartedChain {
  private readonly child: ChildProcess;
  private readonly exited: Promise<number | null>;
  private ready = false;
  private printedLink: string | null = null;
  private ended = false;
  private tail = '';
  /** All that it has started, by the mark that a later process with the same pid does not bear. */
  private readonly marks = new Map<number, string>();

  constructor(
    root: string,
    private readonly dataDir: string,
    edges: number,
    more: readonly string[] = [],
  ) {
    const args = [join(root, START_COMMAND), '--data', dataDir, '--edges', String(edges), '--port-base', '0', ...more];
    const env = plainEnvironment();
    this.child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.exited = new Promise((done) => {
      this.child.once('error', () => done(null)).once('exit', (code) => done(code));
    });
    void this.exited.then(() => (this.ended = true));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        this.tail = `${this.tail}${line}\n`.slice(-TAIL_CHARACTERS);
        if (line.startsWith('READY')) this.ready = true;
        this.printedLink ??= /https?:\S+#sign-in=\S+/.exec(line)?.[0] ?? null;
      });
    }
  }

  /** @returns null when it trades; otherwise what it said last */
  async untilReady(boundMs: number, signal: AbortSignal): Promise<string | null> {
    for (let waitedMs = 0; waitedMs < boundMs; waitedMs += POLL_MS) {
      if (this.ready) return null;
      if (this.ended) return `ended before it was ready: ${lastLine(this.tail)}`;
      await pause(POLL_MS, undefined, { signal });
    }
    return `not READY within ${boundMs / 1000} s: ${lastLine(this.tail)}`;
  }

  /** That signs a visitor in at head office's page, as it was printed. */
  link(): string | null {
    return this.printedLink;
  }

  fleet(): Fleet {
    return fleetSchema.parse(readJson(join(this.dataDir, 'fleet.json')));
  }

  credentials(): Credentials {
    const credentials = findCredentials(readJson(join(this.dataDir, 'sign-ins.json')));
    if (!credentials) throw new Error('sign-ins.json names nobody with an e-mail and a password');
    return credentials;
  }

  /** Hash of the newest line, as the edge itself tells it. */
  async headAtEdge(branch: string): Promise<string | null> {
    const { branches } = signInsSchema.parse(readJson(join(this.dataDir, 'sign-ins.json')));
    const { url, deviceToken } = branches.find((each) => each.branch === branch) ?? { url: '', deviceToken: '' };
    const headers = { authorization: `Bearer ${deviceToken}` };
    return (await axios.get<{ headHash: string | null }>(`${url}/v1/sync/status`, { headers })).data.headHash;
  }

  /** As head office sees it. */
  async basketsAtHub(signal: AbortSignal): Promise<number> {
    const hub = new HubClient(this.fleet().hub.url, this.credentials(), systemClock, signal);
    try {
      const { rows } = await hub.salesByBranch();
      return rows.reduce((sum, { baskets }) => sum + baskets, 0);
    } finally {
      hub.close();
    }
  }

  /** Ctrl-C. @returns what is wrong with how it ended */
  async interrupt(boundMs: number): Promise<string[]> {
    const { hub, edges } = this.fleet();
    this.remember([hub.pid, ...edges.map(({ pid }) => pid)]);
    const urls = [hub.url, ...edges.flatMap(({ url, line }) => [url, line])];
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGINT');
    const late = pause(boundMs, 'late' as const, { ref: false });
    const code = await Promise.race([this.exited, late]);
    if (code === 'late') return [`still running ${boundMs / 1000} s after Ctrl-C`];
    const complaints = code === 0 ? [] : [`Ctrl-C ended it with ${code}: ${lastLine(this.tail)}`];
    const left = this.left();
    if (left.length > 0) complaints.push(`processes left: ${left.join(', ')}`);
    for (const url of urls) if (await isListening(url)) complaints.push(`${url} still listens`);
    return complaints;
  }

  /** Ctrl-C, without waiting for what comes of it. */
  interruptOnly(): void {
    this.remember([]);
    if (this.child.pid !== undefined && !this.ended) process.kill(-this.child.pid, 'SIGINT');
  }

  /** SIGKILL for the start process and nobody else: what it has started has to end by itself. */
  async killAlone(): Promise<void> {
    this.remember([]);
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** @returns what of all that it had started still runs after that time */
  async untilNothingLeft(boundMs: number): Promise<number[]> {
    for (let waitedMs = 0; waitedMs < boundMs && this.left().length > 0; waitedMs += POLL_MS) await pause(POLL_MS);
    return this.left();
  }

  /** Whatever is left of it. */
  async kill(): Promise<void> {
    if (!this.ended) this.remember([]);
    for (const pid of this.left()) signalProcess(pid, 'SIGKILL');
    if (!this.ended) await this.exited;
  }

  private remember(pids: readonly number[]): void {
    const own = this.child.pid;
    const all = own === undefined ? pids : [own, ...descendantsOf(own), ...pids];
    for (const pid of all) {
      const mark = startMarkOf(pid);
      if (mark !== null) this.marks.set(pid, mark);
    }
  }

  private left(): number[] {
    return [...this.marks].filter(([pid, mark]) => startMarkOf(pid) === mark).map(([pid]) => pid);
  }
}

/** The first that can sign in at head office, wherever it stands: the shape of the file is not contract. */
export function findCredentials(value: unknown): Credentials | null {
  if (value === null || typeof value !== 'object') return null;
  const { email, password } = value as Record<string, unknown>;
  if (typeof email === 'string' && typeof password === 'string') return { email, password };
  for (const part of Object.values(value)) {
    const found = findCredentials(part);
    if (found) return found;
  }
  return null;
}

function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((done) => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    const end = (listens: boolean): void => {
      socket.destroy();
      done(listens);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
