import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@branchline/domain/clock.js';
import type { SupervisedProcess } from '../processes.js';
import { Supervisor } from '../processes.js';
import type { ChainDatabase } from './chain-database.js';
import { EdgeBox } from './edge-box.js';
import { type Credentials, HubClient } from './hub-client.js';
import { makeFolder } from './private-file.js';
import { HUB_MAIN, initTenant, type CreatedTenant, type TenantInput } from './programs.js';

export interface ChainOptions {
  dataDir: string;
  database: ChainDatabase;
  /** 0: any free one. */
  hubPort: number;
  clock: Clock;
  signal: AbortSignal;
  /** Further environment of the hub's. */
  hubEnv?: Record<string, string>;
}

export interface NewEdge {
  branch: string;
  /** Of its data; absent: named after the branch, which has one box. */
  folder?: string;
  port?: number;
  enrolmentCode?: string;
  env?: Record<string, string>;
  withTillLine?: boolean;
  hubLineIsCut?: boolean;
  /** Goes on when we end, with no line of ours between it and the hub. */
  standsAlone?: boolean;
}

/** The hub keeps its own log; what a chain shows is what went wrong. */
const HUB_LOG_LEVEL = 'warn';

/** A whole chain in one place: one hub, any number of edges, each a process of its own with its data under one folder. */
export class Chain {
  private hubProcess: SupervisedProcess | null = null;
  private readonly edges = new Map<string, EdgeBox>();

  private constructor(
    private readonly options: ChainOptions,
    private readonly supervisor: Supervisor,
  ) {}

  /** What a run of the same folder has left running. @returns the names of what was stopped */
  static async stopOrphans(dataDir: string): Promise<string[]> {
    const supervisor = new Supervisor(dataDir);
    const stopped = await supervisor.stopOrphans();
    await supervisor.stopAll();
    return stopped;
  }

  /** Starts the hub. */
  static async start(options: ChainOptions): Promise<Chain> {
    makeFolder(join(options.dataDir, 'logs'));
    const supervisor = new Supervisor(options.dataDir);
    const chain = new Chain(options, supervisor);
    try {
      await chain.launchHub();
      return chain;
    } catch (error) {
      await chain.stop();
      throw error;
    }
  }

  get hub(): SupervisedProcess {
    if (!this.hubProcess) throw new Error('the hub was never started');
    return this.hubProcess;
  }

  /** Resolves when the hub of the moment ends, with how. */
  async hubExited(): Promise<string> {
    const { code, signal, lastLine } = await this.hub.exited;
    return signal ?? `${code}: ${lastLine}`;
  }

  async launchHub(outlivesUs = false): Promise<void> {
    const { dataDir, hubPort, hubEnv } = this.options;
    const listening = { HUB_HOST: '127.0.0.1', HUB_PORT: String(hubPort), LOG_LEVEL: HUB_LOG_LEVEL };
    const env = { ...this.databaseEnv(), ...listening, ...hubEnv };
    const logFile = join(dataDir, 'logs', 'hub.log');
    this.hubProcess = await this.supervisor.start({ name: 'hub', args: [HUB_MAIN], env, logFile, outlivesUs });
  }

  /** After the hub is up, so that its migrations have run. */
  createTenant(tenant: TenantInput): Promise<CreatedTenant> {
    return initTenant(this.databaseEnv(), tenant);
  }

  signIn(credentials: Credentials): HubClient {
    return new HubClient(this.hub.url, credentials, this.options.clock, this.options.signal);
  }

  /** Whether a box of that branch has its place already: it needs no code any more. */
  isEnrolled(branch: string): boolean {
    return existsSync(join(this.folderOf(branch), 'box.json'));
  }

  async startEdge(edge: NewEdge): Promise<EdgeBox> {
    const {
      branch,
      folder = branch,
      port = 0,
      enrolmentCode,
      env = {},
      withTillLine = false,
      hubLineIsCut = false,
      standsAlone = false,
    } = edge;
    const { dataDir, signal } = this.options;
    const box = await EdgeBox.start({
      supervisor: this.supervisor,
      branch,
      dataDir: this.folderOf(folder),
      logFile: join(dataDir, 'logs', `${folder}.log`),
      hubUrl: this.hub.url,
      port,
      ...(enrolmentCode !== undefined && { enrolmentCode }),
      env,
      withTillLine,
      hubLineIsCut,
      standsAlone,
      signal,
    });
    this.edges.set(folder, box);
    return box;
  }

  edgeOf(branch: string): EdgeBox | undefined {
    return this.edges.get(branch);
  }

  async stopEdge(box: EdgeBox): Promise<void> {
    for (const [folder, each] of this.edges) if (each === box) this.edges.delete(folder);
    await box.stop();
  }

  /** The hub and these edges, started again to go on when this process ends; `release` then lets go of them. */
  async standAlone(branches: readonly string[], env: Record<string, string>): Promise<EdgeBox[]> {
    await Promise.all([...this.edges.values()].map((box) => this.stopEdge(box)));
    await this.hub.stop();
    await this.launchHub(true);
    return Promise.all(branches.map((branch) => this.startEdge({ branch, env, standsAlone: true })));
  }

  release(): void {
    this.supervisor.release();
  }

  /** Edges first: their last lines still reach the hub. */
  async stop(): Promise<void> {
    await Promise.all([...this.edges.values()].map((box) => this.stopEdge(box)));
    await this.supervisor.stopAll();
  }

  private folderOf(folder: string): string {
    return join(this.options.dataDir, 'edges', folder);
  }

  private databaseEnv(): Record<string, string> {
    const { dataDir, database } = this.options;
    return { DATABASE_URL: database.url, HUB_SECRETS_DIR: join(dataDir, 'hub-secrets') };
  }
}
