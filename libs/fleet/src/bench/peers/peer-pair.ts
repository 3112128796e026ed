import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endpointOf } from '../../chain/edge-box.js';
import { makeFolder } from '../../chain/private-file.js';
import { copyFolder } from '../../chaos/copied-database.js';
import { type FaultProxy, startFaultProxy } from '../../fault-proxy.js';
import type { Program, SupervisedProcess, Supervisor } from '../../processes.js';
import { installPeer } from './install-peer.js';
import type { PeerArguments } from './peer-program.js';
import { lossOf } from './loss.js';
import type { Loss, Subject } from './subject.js';

export interface PeerPackage {
  name: string;
  durability: string;
  trialSales: number;
  packages: readonly string[];
  /** It is told how long to wait for an answer. */
  isPatient: boolean;
  /** Beside this file, without their suffix. */
  client: string;
  server: string;
}

export interface PeerParts {
  supervisor: Supervisor;
  dataDir: string;
  /** One document a line: enough for all that is to be filled. */
  documents: string;
  signal: AbortSignal;
}

const run = promisify(execFile);
const PATIENCE_S_MIN = 5;
/** Who brings fewer over is given up. */
const SALES_A_SECOND_MIN = 1_000;
const NODE_ARGS = ['--max-old-space-size=6144'];
const FILL_MS_MAX = 900_000;
const INSPECT_MS_MAX = 120_000;

/** A peer as it comes from the registry: its client and its server as processes of their own, our proxy in between. */
export class PeerPair implements Subject {
  private server: SupervisedProcess | null = null;
  private client: SupervisedProcess | null = null;
  /** Of the documents, those that the client has. */
  private filled = 0;
  private patienceS = PATIENCE_S_MIN;

  private constructor(
    private readonly of: PeerPackage,
    private readonly parts: PeerParts,
    private readonly folder: string,
    readonly line: FaultProxy,
  ) {}

  /** @throws EnvironmentFailure when it cannot be installed */
  static async open(of: PeerPackage, parts: PeerParts): Promise<PeerPair> {
    const folder = join(parts.dataDir, of.client);
    await installPeer(join(folder, 'modules'), of.packages, parts.signal);
    for (const data of ['server', 'client']) makeFolder(join(folder, data));
    const line = await startFaultProxy({ target: { host: '127.0.0.1', port: 9 } });
    const pair = new PeerPair(of, parts, folder, line);
    await pair.startServer();
    return pair;
  }

  get name(): string {
    return this.of.packages.filter((name) => !name.startsWith('ws@') && !name.startsWith('express@')).join(' + ');
  }

  get durability(): string {
    return this.of.durability;
  }

  get idleS(): number {
    return this.of.isPatient ? this.patienceS : 0;
  }

  get trialSales(): number {
    return this.of.trialSales;
  }

  async fill(sales: number, signal: AbortSignal): Promise<void> {
    await this.client?.stop();
    this.client = null;
    await this.bePatient(sales);
    const fill = { file: this.parts.documents, from: this.filled, to: this.filled + sales };
    const { args } = this.program(this.of.client, 'client', fill);
    await run(process.execPath, [...NODE_ARGS, ...args], { signal, timeout: FILL_MS_MAX });
    this.filled += sales;
  }

  async connect(): Promise<void> {
    this.client ??= await this.parts.supervisor.start(this.program(this.of.client, 'client', null));
  }

  async countAtServer(): Promise<number> {
    return ((await (await this.inspect('/count')).json()) as { count: number }).count;
  }

  async killClient(): Promise<void> {
    await killed(this.client);
    this.client = null;
    await this.connect();
  }

  async killServer(): Promise<void> {
    await killed(this.server);
    await this.startServer();
  }

  async copyServer(): Promise<void> {
    await this.server?.stop();
    copyFolder(join(this.folder, 'server'), join(this.folder, 'copy'));
    await this.startServer();
  }

  async putServerBack(): Promise<void> {
    await this.server?.stop();
    copyFolder(join(this.folder, 'copy'), join(this.folder, 'server'));
    await this.startServer();
  }

  async judge(): Promise<Loss> {
    const known = readFileSync(this.parts.documents, 'utf8').split('\n', this.filled);
    const there = await (await this.inspect('/documents')).text();
    return lossOf(known, there.split('\n').slice(0, -1));
  }

  async close(): Promise<void> {
    await this.client?.stop();
    await this.server?.stop();
    await this.line.close();
  }

  /**
   * TinyBase waits that long for an answer, of whatever size and behind however many others, and when they meet both sides
   * wait once in vain: as long as it needs, and the vain wait is not counted.
   */
  private async bePatient(sales: number): Promise<void> {
    const patienceS = Math.max(PATIENCE_S_MIN, Math.ceil(sales / SALES_A_SECOND_MIN));
    if (!this.of.isPatient || patienceS === this.patienceS) return;
    this.patienceS = patienceS;
    await this.server?.stop();
    await this.startServer();
  }

  private async startServer(): Promise<void> {
    this.server = await this.parts.supervisor.start(this.program(this.of.server, 'server', null));
    this.line.retarget(endpointOf(this.server.url));
  }

  private program(script: string, data: 'client' | 'server', fill: PeerArguments['fill']): Program {
    const { folder } = this;
    const given: PeerArguments = {
      modules: join(folder, 'modules'),
      data: join(folder, data),
      serverUrl: this.line.url,
      patienceS: this.patienceS,
      fill,
    };
    return {
      name: `${this.of.name} ${data}`,
      args: [fileURLToPath(new URL(`./${script}.js`, import.meta.url)), JSON.stringify(given)],
      nodeArgs: NODE_ARGS,
      env: {},
      logFile: join(folder, `${data}.log`),
    };
  }

  private async inspect(path: '/count' | '/documents'): Promise<Response> {
    if (this.server === null) throw new Error('the server is not started');
    const signal = AbortSignal.any([this.parts.signal, AbortSignal.timeout(INSPECT_MS_MAX)]);
    return fetch(`${this.server.url}${path}`, { signal });
  }
}

async function killed(process: SupervisedProcess | null): Promise<void> {
  process?.kill('SIGKILL');
  await process?.exited;
}
