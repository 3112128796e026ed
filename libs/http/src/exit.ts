/** Exit codes of every program here: 0 all well, 1 something differs or failed, 2 bad input, 3 environment. */
export const EXIT = { well: 0, failed: 1, badInput: 2, environment: 3 } as const;

/** The machine does not offer what is needed: port taken, folder not writable, wrong database. The message is one line. */
export class EnvironmentFailure extends Error {
  override readonly name = 'EnvironmentFailure';
}

/** What was handed in is wrong: a flag, a file. The message is one line. */
export class BadInput extends Error {
  override readonly name = 'BadInput';
}

export type Closeable = { close(): Promise<unknown> };

/** A server hands back what to close; a command hands back its exit code or nothing. */
export type Main = () => Promise<Closeable | number | void>;

/** Longest time a stop may take before the process ends anyway: below the 10 s after which supervisors kill. */
const CLOSE_MS_MAX = 9_000;

/**
 * Runs a program to its end. SIGINT and SIGTERM close it in order and exit 0, also when they come while it is still
 * starting; a second one ends it at once.
 */
export function runMain(name: string, main: Main): void {
  let signalled = false;
  let running: Closeable | undefined;
  const stop = (): void => {
    if (signalled) process.exit(EXIT.failed);
    signalled = true;
    if (running) void closeAndExit(name, running);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  main().then(
    (result) => {
      if (typeof result !== 'object') process.exit(result ?? EXIT.well);
      running = result;
      if (signalled) void closeAndExit(name, running);
    },
    (error: unknown) => fail(name, error),
  );
}

async function closeAndExit(name: string, running: Closeable): Promise<void> {
  setTimeout(() => fail(name, new Error(`did not stop within ${CLOSE_MS_MAX} ms`)), CLOSE_MS_MAX).unref();
  try {
    await running.close();
  } catch (error) {
    fail(name, error);
  }
  process.exit(EXIT.well);
}

function fail(name: string, error: unknown): never {
  const { line, exitCode } = verdict(error);
  process.stderr.write(`${name}: ${line}\n`);
  process.exit(exitCode);
}

/** One line for what was foreseen, a stack for a bug. */
export function verdict(error: unknown): { line: string; exitCode: number } {
  if (error instanceof EnvironmentFailure) return { line: oneLine(error.message), exitCode: EXIT.environment };
  if (error instanceof BadInput) return { line: oneLine(error.message), exitCode: EXIT.badInput };
  return { line: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: EXIT.failed };
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, ' ');
}

/**
 * For programs that a supervisor starts (`BRANCHLINE_STOP_WITH_PARENT=1`): a supervisor that was killed cannot signal its
 * children, but its end of their standard input closes.
 */
export function stopWithParent(): void {
  if (process.env['BRANCHLINE_STOP_WITH_PARENT'] !== '1') return;
  const stop = (): void => void process.kill(process.pid, 'SIGTERM');
  process.stdin.on('end', stop);
  process.stdin.on('error', stop);
  process.stdin.resume();
}
