import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { commandOf, signalProcess, startMarkOf, waitForEnd } from './process-table.js';

/** A Node program that says, in one line of JSON on standard output, that it is ready; everything else it says goes to standard error. */
export interface Program {
  /** For messages: `edge 319`. */
  name: string;
  /** The script and its arguments. */
  args: string[];
  /** Of Node itself. */
  nodeArgs?: readonly string[];
  env: Record<string, string>;
  /** Standard error is appended to it. */
  logFile: string;
  /** Goes on when we are gone. Any other ends with us, also when we were killed: it sees its standard input close. */
  outlivesUs?: boolean;
}

export interface ReadyLine {
  ready: true;
  url: string;
  [more: string]: unknown;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last line of standard error of this run. */
  lastLine: string;
}

const READY_BOUND_MS = 60_000;
const STOP_BOUND_MS = 10_000;
const KILL_BOUND_MS = 5_000;
const LOG_TAIL_BYTES = 8_192;
/** Exit code of our programs for what the machine does not offer; their last line is then meant for the operator. */
const EXIT_ENVIRONMENT = 3;
/** `stopWithParent` of our programs heeds it. */
const STOP_WITH_PARENT = 'BRANCHLINE_STOP_WITH_PARENT';

interface PidEntry {
  name: string;
  pid: number;
  startMark: string;
  script: string;
}

/**
 * The programs that one supervisor has started. When it exits it takes them along; when it is killed they see their standard input
 * close and stop by themselves. They are listed in `DIR/pids.json`, so that the next supervisor finds and stops whatever is left.
 */
export class Supervisor {
  private readonly running = new Set<SupervisedProcess>();
  private readonly pidFile: string;
  private readonly killAll = (): void => {
    for (const child of this.running) child.kill('SIGKILL');
  };

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.pidFile = join(directory, 'pids.json');
    process.on('exit', this.killAll);
  }

  /** Starts the program and waits until it is ready. @throws EnvironmentFailure or Error with its last line when it is not. */
  async start(program: Program): Promise<SupervisedProcess> {
    const child = new SupervisedProcess(program, () => {
      this.running.delete(child);
      this.strikeOff();
    });
    this.running.add(child);
    this.writePids();
    await child.untilReady();
    return child;
  }

  /** What a killed supervisor of this directory has left behind; only what is still the very process that was started. */
  async stopOrphans(): Promise<string[]> {
    const orphans = readPids(this.pidFile).filter(
      ({ pid, startMark, script }) => startMarkOf(pid) === startMark && commandOf(pid)?.includes(script),
    );
    for (const { pid } of orphans) signalProcess(pid, 'SIGTERM');
    for (const { name, pid } of orphans) {
      if (await waitForEnd(pid, STOP_BOUND_MS)) continue;
      signalProcess(pid, 'SIGKILL');
      if (!(await waitForEnd(pid, KILL_BOUND_MS)))
        throw new EnvironmentFailure(`${name} (process ${pid}) of an earlier run cannot be stopped`);
    }
    this.writePids();
    return orphans.map(({ name }) => name);
  }

  /** All at once, each within its bound. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((child) => child.stop()));
    process.removeListener('exit', this.killAll);
    rmSync(this.pidFile, { force: true });
  }

  /** Leaves all of them running when we exit; the next supervisor of the directory finds them in the list. */
  release(): void {
    process.removeListener('exit', this.killAll);
    for (const child of this.running) child.release();
  }

  /** On a full disk the list of before stays: the ended one that it names too is known by its mark to be nobody's any more. */
  private strikeOff(): void {
    try {
      this.writePids();
    } catch (error) {
      if (!(error instanceof EnvironmentFailure)) throw error;
    }
  }

  /** @throws EnvironmentFailure */
  private writePids(): void {
    const entries: PidEntry[] = [...this.running].map(({ program, pid, startMark }) => ({
      name: program.name,
      pid,
      startMark,
      script: program.args[0] ?? '',
    }));
    // Renamed into place: a supervisor killed while it writes leaves the list of before.
    try {
      writeFileSync(`${this.pidFile}.new`, `${JSON.stringify(entries, null, 1)}\n`);
      renameSync(`${this.pidFile}.new`, this.pidFile);
    } catch (error) {
      throw new EnvironmentFailure(`cannot write ${this.pidFile}: ${(error as Error).message}`);
    }
  }
}

/** One run of a program, from its start to its exit. A restart is another one: `supervisor.start(process.program)`. */
export class SupervisedProcess {
  readonly pid: number;
  readonly startMark: string;
  /** Resolves when the process has ended, however. */
  readonly exited: Promise<Exit>;
  private readonly child: ChildProcess;
  private readonly ready: Promise<ReadyLine>;
  private readonly logStart: number;
  private readyLine: ReadyLine | null = null;
  private ended = false;

  constructor(
    readonly program: Program,
    onExit: () => void,
  ) {
    const log = openLog(program.logFile);
    this.logStart = statSync(program.logFile).size;
    const { args, nodeArgs = [], env, outlivesUs = false } = program;
    this.child = spawn(process.execPath, [...nodeArgs, ...args], {
      env: { ...process.env, ...env, [STOP_WITH_PARENT]: outlivesUs ? '' : '1' },
      stdio: [outlivesUs ? 'ignore' : 'pipe', 'pipe', log],
      // A group of its own: Ctrl-C at the terminal reaches the supervisor, which stops the programs in their order.
      detached: true,
    });
    closeSync(log);
    this.pid = this.child.pid ?? 0;
    this.startMark = startMarkOf(this.pid) ?? '';
    this.exited = new Promise((done) => {
      const end = (code: number | null, signal: NodeJS.Signals | null, lastLine: string) => {
        this.ended = true;
        onExit();
        done({ code, signal, lastLine });
      };
      this.child.once('error', (error) => end(null, null, error.message));
      this.child.once('exit', (code, signal) => end(code, signal, this.lastLogLine()));
    });
    this.ready = this.readReadyLine();
  }

  get isRunning(): boolean {
    return !this.ended;
  }

  /** Where it listens; only after `untilReady`. */
  get url(): string {
    if (!this.readyLine) throw new Error(`${this.program.name} is not ready`);
    return this.readyLine.url;
  }

  /** The whole ready line. @throws when it ends or says nothing first; it is then gone. */
  async untilReady(): Promise<ReadyLine> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((done) => (timer = setTimeout(() => done(null), READY_BOUND_MS)));
    const first = await Promise.race([this.ready, this.exited, late]);
    clearTimeout(timer);
    if (first && 'ready' in first) return (this.readyLine = first);
    await this.stop(0);
    const { code, signal, lastLine } = await this.exited;
    if (code === EXIT_ENVIRONMENT) throw new EnvironmentFailure(lastLine);
    const how = first ? `ended with ${signal ?? code}` : `was not ready within ${READY_BOUND_MS / 1000} s`;
    throw new Error(`${this.program.name} ${how}: ${lastLine || 'it said nothing'}`);
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.ended && this.pid > 0) signalProcess(this.pid, signal);
  }

  /** SIGTERM, and SIGKILL when that takes longer than `boundMs`. */
  async stop(boundMs = STOP_BOUND_MS): Promise<Exit> {
    if (boundMs > 0) this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), boundMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** We may exit before it does. */
  release(): void {
    this.child.stdout?.destroy();
    this.child.unref();
  }

  private readReadyLine(): Promise<ReadyLine> {
    return new Promise((done) => {
      const { stdout } = this.child;
      if (!stdout) return;
      // Read on to the end: a program whose standard output nobody empties stands still some day.
      createInterface({ input: stdout }).on('line', (line) => {
        const said = parseReadyLine(line);
        if (said) done(said);
      });
    });
  }

  private lastLogLine(): string {
    const run = readFileSync(this.program.logFile).subarray(this.logStart).subarray(-LOG_TAIL_BYTES);
    return run.toString('utf8').trim().split('\n').at(-1)?.trim() ?? '';
  }
}

function parseReadyLine(line: string): ReadyLine | null {
  try {
    const said: unknown = JSON.parse(line);
    return said !== null && typeof said === 'object' && 'ready' in said && 'url' in said ? (said as ReadyLine) : null;
  } catch {
    return null;
  }
}

function openLog(logFile: string): number {
  try {
    mkdirSync(dirname(logFile), { recursive: true });
    return openSync(logFile, 'a');
  } catch (error) {
    throw new EnvironmentFailure(`cannot write ${logFile}: ${(error as Error).message}`);
  }
}

function readPids(pidFile: string): PidEntry[] {
  try {
    const entries: unknown = JSON.parse(readFileSync(pidFile, 'utf8'));
    return Array.isArray(entries) ? (entries as PidEntry[]) : [];
  } catch {
    return [];
  }
}
