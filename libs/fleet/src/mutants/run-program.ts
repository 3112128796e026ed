import { spawn } from 'node:child_process';
import { descendantsOf, signalProcess } from '../process-table.js';

export interface ProgramRun {
  code: number | null;
  stdout: string;
  stderr: string;
  ms: number;
  /** It was still running at its bound, and was killed with all it had started. */
  late: boolean;
}

export interface ProgramOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  boundMs: number;
  /** Aborted: killed as when late, and an error. */
  signal: AbortSignal;
}

/** Enough for what a program says last; a suite that prints without end fills no memory. */
const TAIL_CHARACTERS = 1_000_000;

/** Runs a program to its end, away from the terminal: Ctrl-C reaches us, and we end it. */
export async function runProgram(command: string, args: string[], options: ProgramOptions): Promise<ProgramRun> {
  const { cwd, env, boundMs, signal } = options;
  signal.throwIfAborted();
  const startMs = performance.now();
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] = (said[stream] + text).slice(-TAIL_CHARACTERS);
    });
  }
  const killTree = (): void => {
    if (child.pid === undefined) return;
    for (const pid of [...descendantsOf(child.pid), child.pid]) signalProcess(pid, 'SIGKILL');
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killTree();
  }, boundMs);
  signal.addEventListener('abort', killTree);
  try {
    const code = await new Promise<number | null>((done, fail) => child.once('error', fail).once('close', done));
    signal.throwIfAborted();
    return { code, ...said, ms: performance.now() - startMs, late };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', killTree);
  }
}

/** The last line that is not empty. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

/** For people. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
