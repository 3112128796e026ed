import { describe, expect, it } from '@jest/globals';
import { closingLine, type RunCounts } from './closing-line-reporter.js';

function run(over: Partial<RunCounts>): RunCounts {
  return {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 0,
    ...over,
  };
}

describe('the closing line of a test run', () => {
  it.each([
    ['passed and failed', { numPassedTests: 3 }, '3 passed, 0 failed'],
    [
      'suites that did not run as failures',
      { numPassedTests: 3, numFailedTests: 1, numRuntimeErrorTestSuites: 2 },
      '3 passed, 3 failed',
    ],
    [
      'what was skipped, only if anything was',
      { numPassedTests: 1, numPendingTests: 1, numTodoTests: 1 },
      '1 passed, 0 failed, 2 skipped',
    ],
  ])('counts %s', (_, counts, line) => {
    expect(closingLine(run(counts))).toBe(line);
  });
});
