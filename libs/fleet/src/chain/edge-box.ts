import { setTimeout as pause } from 'node:timers/promises';
import type { Endpoint } from '../fault-link.js';
import { type FaultProxy, startFaultProxy } from '../fault-proxy.js';
import type { Program, SupervisedProcess, Supervisor } from '../processes.js';
import { peakMbOf } from '../process-memory.js';
import { JsonClient, NoAnswer } from './json-client.js';
import { EDGE_MAIN, EDGE_NODE_ARGS, EDGE_NODE_ENV } from './programs.js';

export interface EdgeBoxOptions {
  supervisor: Supervisor;
  branch: string;
  dataDir: string;
  logFile: string;
  hubUrl: string;
  /** 0: any free one. */
  port: number;
  /** Needed until the box has enrolled. */
  enrolmentCode?: string;
  /** Further environment: rhythms of polling and retrying. */
  env: Record<string, string>;
  /** Tills can reach the edge through a line that can be cut, too. */
  withTillLine: boolean;
  /** It starts with the hub out of reach. */
  hubLineIsCut: boolean;
  /** Goes on when we end: no line of ours may be between it and the hub, or its tills. */
  standsAlone: boolean;
  signal: AbortSignal;
}

const READY_MS_MAX = 60_000;
const POLL_MS = 50;

/** One store's box: a real edge process, and the lines to it and from it. */
export class EdgeBox {
  private process: SupervisedProcess | null = null;
  private peak: number | null = null;

  private constructor(
    private readonly options: EdgeBoxOptions,
    /** From the edge to the hub. */
    readonly hubLine: FaultProxy,
    /** From the tills to the edge. */
    readonly tillLine: FaultProxy | null,
  ) {}

  /** Started, enrolled, and ready to trade. */
  static async start(options: EdgeBoxOptions): Promise<EdgeBox> {
    const hubLine = await startFaultProxy({ target: endpointOf(options.hubUrl) });
    // Retargeted as soon as the edge has a port.
    const tillLine = options.withTillLine
      ? await startFaultProxy({ target: endpointOf(hubLine.url) }).then(cutLine)
      : null;
    if (options.hubLineIsCut) hubLine.cut();
    const box = new EdgeBox(options, hubLine, tillLine);
    try {
      await box.launch();
      return box;
    } catch (error) {
      await box.stop();
      throw error;
    }
  }

  get branch(): string {
    return this.options.branch;
  }

  /** Where the process of the moment listens: a till that is to see it killed goes through `tillLine`. */
  get url(): string {
    return this.running.url;
  }

  get pid(): number {
    return this.running.pid;
  }

  /** The most memory that one of its processes had, of those that `kill` or `stop` has ended; null: the machine does not say. */
  get peakMb(): number | null {
    return this.peak;
  }

  get isRunning(): boolean {
    return this.process?.isRunning ?? false;
  }

  /** The power goes: nothing is written any more. Resolves when the process is gone. */
  async kill(): Promise<number> {
    const { pid, exited } = this.running;
    this.notePeak();
    this.running.kill('SIGKILL');
    await exited;
    return pid;
  }

  /** Starts the program again on the same data and waits until it is ready to trade. */
  async launch(): Promise<void> {
    const { supervisor, branch, dataDir, logFile, hubUrl, port, enrolmentCode, env, standsAlone, signal } =
      this.options;
    const program: Program = {
      name: `edge ${branch}`,
      args: [EDGE_MAIN],
      nodeArgs: EDGE_NODE_ARGS,
      env: {
        ...EDGE_NODE_ENV,
        ...env,
        EDGE_DATA: dataDir,
        EDGE_HOST: '127.0.0.1',
        EDGE_PORT: String(port),
        EDGE_HUB_URL: standsAlone ? hubUrl : this.hubLine.url,
        EDGE_ENROLMENT_CODE: enrolmentCode ?? '',
      },
      logFile,
      outlivesUs: standsAlone,
    };
    this.process = await supervisor.start(program);
    await untilReady(this.process, signal);
    this.tillLine?.retarget(endpointOf(this.process.url));
    this.tillLine?.restore();
  }

  /** Resolves when the process ends, however; with its last line. */
  async exited(): Promise<string> {
    const { code, signal, lastLine } = await this.running.exited;
    return signal ?? `${code}: ${lastLine}`;
  }

  /** Ends the process in order; the lines stay, and `launch` starts it again. */
  async shutDown(): Promise<void> {
    this.notePeak();
    await this.running.stop();
  }

  async stop(): Promise<void> {
    this.notePeak();
    await this.process?.stop();
    await Promise.all([this.hubLine.close(), this.tillLine?.close()]);
  }

  private notePeak(): void {
    const peakMb = this.process?.isRunning ? peakMbOf(this.process.pid) : null;
    if (peakMb !== null) this.peak = Math.max(this.peak ?? 0, peakMb);
  }

  private get running(): SupervisedProcess {
    if (!this.process) throw new Error(`edge ${this.options.branch} was never started`);
    return this.process;
  }
}

/** Until it has its settings (by feed, the first time) an edge is up but not ready to trade. */
async function untilReady(process: SupervisedProcess, signal: AbortSignal): Promise<void> {
  const http = new JsonClient(process.url, signal, 5_000);
  try {
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const status = await http.ask({ method: 'GET', path: '/health/ready' }).then(
        (answer) => answer.status,
        (error: unknown) => {
          if (!(error instanceof NoAnswer)) throw error;
          return 0;
        },
      );
      if (status === 200) return;
      if (!process.isRunning) {
        const { code, signal: by, lastLine } = await process.exited;
        throw new Error(`${process.program.name} ended with ${by ?? code}: ${lastLine}`);
      }
      if (waitedMs >= READY_MS_MAX)
        throw new Error(`${process.program.name} is not ready after ${READY_MS_MAX / 1000} s`);
      await pause(POLL_MS, undefined, { signal });
    }
  } finally {
    http.close();
  }
}

function cutLine(line: FaultProxy): FaultProxy {
  line.cut();
  return line;
}

export function endpointOf(url: string): Endpoint {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
