import { writeSync } from 'node:fs';

/** The part of Jest's aggregated result that the closing line is made of. */
export interface RunCounts {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  /** Suites that failed without running a test: a syntax error, a failing import. */
  numRuntimeErrorTestSuites: number;
}

/** `N passed, N failed` and, only if there are any, `, N skipped`. A suite that fails to run is one failure. */
export function closingLine(run: RunCounts): string {
  const skipped = run.numPendingTests + run.numTodoTests;
  const line = `${run.numPassedTests} passed, ${run.numFailedTests + run.numRuntimeErrorTestSuites} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}

/**
 * A Jest reporter whose line is the very last thing said: Jest puts its own summary behind all reporters, on standard
 * error, and who reads both streams as one would find that at the end. So the line is written as the process exits.
 */
export default class ClosingLineReporter {
  private ranNothing = false;

  onRunComplete(_contexts: unknown, run: RunCounts): void {
    this.ranNothing = run.numPassedTests + run.numFailedTests + run.numRuntimeErrorTestSuites === 0;
    const text = `${this.ranNothing ? 'no test was run: that is a failure\n' : ''}${closingLine(run)}\n`;
    process.once('exit', () => writeSync(process.stdout.fd, text));
  }

  /** An error here makes Jest exit with 1. */
  getLastError(): Error | undefined {
    return this.ranNothing ? new Error('no test was run') : undefined;
  }
}
