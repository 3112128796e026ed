import { describe, expect, it } from '@jest/globals';
import { firstFailure, readResults } from './run-jest.js';

const suite = (
  name: string,
  status: string,
  message: string,
  assertionResults: { fullName: string; status: string }[],
) => ({
  name: `/root/${name}`,
  status,
  message,
  assertionResults,
});

describe('what Jest says', () => {
  it('becomes one result a test, by the paths of the repository', () => {
    const { tests, broken } = readResults(
      '/root',
      JSON.stringify({
        testResults: [
          suite('edge/a.spec.ts', 'failed', '', [
            { fullName: 'a holds', status: 'passed' },
            { fullName: 'a breaks', status: 'failed' },
            { fullName: 'a waits', status: 'pending' },
          ]),
        ],
      }),
    );
    expect(broken).toEqual([]);
    expect(tests.map(({ status }) => status)).toEqual(['passed', 'failed', 'skipped']);
    expect(firstFailure({ tests })).toEqual({ file: 'edge/a.spec.ts', title: 'a breaks', status: 'failed' });
  });

  it('tells a spec that does not run from one that fails: a bug that breaks the import is caught by nobody', () => {
    const text = JSON.stringify({
      testResults: [
        suite('hub/b.spec.ts', 'failed', '  ● Test suite failed to run\n\n    SyntaxError: no\n  at b', []),
      ],
    });
    const { tests, broken } = readResults('/root', text);
    expect(firstFailure({ tests })).toBeNull();
    expect(broken).toEqual([{ file: 'hub/b.spec.ts', message: 'SyntaxError: no' }]);
  });
});
