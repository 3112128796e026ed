import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NoLongerFits } from './mutant.js';
import { WorkCopy } from './work-copy.js';

let root: string;
let copy: WorkCopy;

const put = (file: string, text: string): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
};
const read = (file: string): string => readFileSync(join(copy.folder, file), 'utf8');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'branchline-checkout-'));
  execFileSync('git', ['init', '-q'], { cwd: root });
  put('.gitignore', 'node_modules/\ndist/\n*.log\n');
  put('libs/domain/tsconfig.json', '{}');
  put('libs/domain/src/money.ts', 'add(a, b);\n');
  put('libs/domain/dist/money.js', 'built');
  put('libs/domain/noise.log', 'ignored');
  put('node_modules/pg/index.js', 'pg');
  mkdirSync(join(root, 'node_modules/@branchline'));
  symlinkSync('../../libs/domain', join(root, 'node_modules/@branchline/domain'));
  copy = WorkCopy.of(root);
});
afterEach(() => {
  copy.remove();
  rmSync(root, { recursive: true, force: true });
});

describe('a copy of the working tree', () => {
  it('holds what is not ignored, tracked or not, and what was built', () => {
    expect(read('libs/domain/src/money.ts')).toBe('add(a, b);\n');
    expect(read('libs/domain/dist/money.js')).toBe('built');
    expect(existsSync(join(copy.folder, 'libs/domain/noise.log'))).toBe(false);
  });

  it('leads to its own libs, and to the packages that are installed', () => {
    const target = (path: string): string => realpathSync(join(copy.folder, path));
    expect(target('node_modules/@branchline/domain')).toBe(target('libs/domain'));
    expect(target('node_modules/pg')).toBe(realpathSync(join(root, 'node_modules/pg')));
  });

  it('takes a bug and gives it back; the checkout never sees it', () => {
    const file = 'libs/domain/src/money.ts';
    const takeOut = copy.plant([
      { file, find: 'a, b', replace: 'a, a' },
      { file, find: 'a, a', replace: 'b, b' },
    ]);
    expect(read(file)).toBe('add(b, b);\n');
    expect(readFileSync(join(root, file), 'utf8')).toBe('add(a, b);\n');
    takeOut();
    expect(read(file)).toBe('add(a, b);\n');
  });

  it('takes nothing of a bug of which a part does not fit', () => {
    const file = 'libs/domain/src/money.ts';
    const edits = [{ file, find: 'a, b', replace: 'a, a' }];
    expect(() => copy.plant([...edits, { file, find: 'gone', replace: '' }])).toThrow(NoLongerFits);
    expect(() => copy.plant([...edits, { file: 'gone.ts', find: 'x', replace: '' }])).toThrow(/gone\.ts is not there/);
    expect(read(file)).toBe('add(a, b);\n');
  });

  it('is gone after its use', () => {
    copy.remove();
    expect(existsSync(copy.folder)).toBe(false);
    expect(existsSync(join(root, 'node_modules/pg/index.js'))).toBe(true);
  });
});
