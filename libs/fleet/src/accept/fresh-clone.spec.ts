import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshCloneIsGreen } from './fresh-clone.js';
import type { Outcome } from './row.js';

let root: string;

const git = (...args: string[]): void => {
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: root, stdio: 'pipe' });
};

/** A whole repository whose tests say this and end with that. */
function commit(says: string, exitCode: number): void {
  const name = { name: 'small', version: '1.0.0' };
  const scripts = { test: `node -e "console.log('${says}'); process.exit(${exitCode})"` };
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...name, scripts }));
  const lock = { ...name, lockfileVersion: 3, requires: true, packages: { '': name } };
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  git('add', '.');
  git('commit', '-q', '-m', 'all');
}

function tryClone(): Promise<Outcome> {
  const signal = new AbortController().signal;
  return freshCloneIsGreen({ root, dataSet: '', signal, note: () => undefined });
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'branchline-origin-'));
  git('init', '-q');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('a fresh clone', () => {
  it('of what is committed, installed and green, passes', async () => {
    commit('3 passed, 0 failed', 0);
    writeFileSync(join(root, 'package.json'), 'not committed, not cloned');
    expect(await tryClone()).toEqual({
      verdict: 'pass',
      figure: expect.stringMatching(/^[0-9a-f]{7,}: 3 passed, 0 failed in [\d.]+ s, install [\d.]+ s$/),
    });
  });

  it.each([
    ['is red', '2 passed, 1 failed', 1],
    ['is green by its word only', '3 passed, 0 failed', 1],
    ['does not end as agreed', 'all is well', 0],
  ])('that %s fails', async (_what, says, exitCode) => {
    commit(says, exitCode);
    expect(await tryClone()).toEqual({ verdict: 'FAIL', figure: expect.stringContaining(says) });
  });
});
