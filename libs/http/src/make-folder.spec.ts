import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeFolder } from './make-folder.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a folder', () => {
  it('is made with all that is missing above it, and is fine when it is there', () => {
    for (let times = 0; times < 2; times += 1) makeFolder(join(folder, 'a', 'b', 'c'), 0o700);
    expect(['a', 'a/b', 'a/b/c'].map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual(
      Array(3).fill(0o700),
    );
  });

  it('is refused where a file is in its way', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => makeFolder(join(folder, 'file'))).toThrow('EEXIST');
    expect(() => makeFolder(join(folder, 'file', 'b'))).toThrow('ENOTDIR');
  });

  it('is refused at once where nothing can be made', () => {
    // In a process of its own: what is tested for is that it ends.
    const module = new URL('../dist/make-folder.js', import.meta.url).href;
    const script = `import { makeFolder } from ${JSON.stringify(module)}; makeFolder('/proc/branchline/deep');`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    // Where there is no /proc, whoever is not root makes nothing there either.
    expect([status, stderr]).toEqual([1, expect.stringMatching(/Error: E[A-Z]+: /)]);
  });
});
