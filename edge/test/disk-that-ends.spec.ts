import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { readHead } from '../src/store/journal.js';
import { backUp } from '../src/store/keep.js';
import type { Store } from '../src/store/store.js';
import { BY_NOBODY, enrolDevice, storeFixture, type StoreFixture } from '../src/store/testing/store-fixture.js';
import { sourceThread } from './source-thread/source-thread.js';

/** POSIX counts `ulimit -f` in these. */
const BLOCK_BYTES = 512;

let fixture: StoreFixture;
const file = (name: string): string => join(fixture.folder, name);

beforeEach(async () => {
  fixture = storeFixture();
  await enrol(10);
  backUp(file('edge.db'), file('small.db'));
  await enrol(2_000);
});
afterEach(() => fixture.remove());

async function enrol(devices: number): Promise<void> {
  const store = await fixture.open();
  await Promise.all(Array.from({ length: devices }, (_, at) => enrolOne(store, at)));
  await store.close();
}
const enrolOne = ({ writer }: Store, at: number) =>
  writer.execute(enrolDevice, { id: v7(), name: `device ${at}` }, BY_NOBODY);

/** The edge's program, in a process that may write no file beyond so many bytes: a disk that ends, for whoever is not root too. */
function edge(bytesMax: number, ...words: string[]): { status: number | null; said: string } {
  const { url, execArgv = [] } = sourceThread('edge/src/cli.ts');
  const limited = ['-c', `ulimit -f ${Math.floor(bytesMax / BLOCK_BYTES)}; exec "$@"`, 'sh'];
  const command = [process.execPath, ...execArgv, url.pathname, ...words, '--data', fixture.folder];
  const { status, stderr } = spawnSync('sh', [...limited, ...command], { encoding: 'utf8', timeout: 60_000 });
  return { status, said: stderr };
}
const bytesOf = (name: string): number => statSync(file(name)).size;

const CASES: Record<string, { words: () => string[]; bytesMax: () => number; complaint: RegExp }> = {
  'a restore that does not fit': {
    words: () => ['restore', file('small.db')],
    bytesMax: () => bytesOf('small.db') / 2,
    complaint: /^edge: no restore of \S+edge\.db: EFBIG: .*\n$/,
  },
  'a restore whose forerunner cannot be kept': {
    words: () => ['restore', file('small.db')],
    bytesMax: () => (bytesOf('small.db') + bytesOf('edge.db')) / 2,
    complaint: /^edge: no restore of \S+edge\.db: EFBIG: .*\n$/,
  },
  'a rebuild that does not fit': {
    words: () => ['rebuild'],
    bytesMax: () => bytesOf('edge.db') / 2,
    complaint: /^edge: no rebuild of \S+edge\.db: disk I\/O error\n$/,
  },
};

it.each(Object.entries(CASES))('%s says so in one line and leaves all as it was', (_what, { words, ...other }) => {
  const before = { files: readdirSync(fixture.folder), bytes: readFileSync(file('edge.db')) };
  const { status, said } = edge(other.bytesMax(), ...words());
  expect(said).toMatch(other.complaint);
  expect(status).toBe(3);
  expect(readdirSync(fixture.folder)).toEqual(before.files);
  expect(readFileSync(file('edge.db')).equals(before.bytes)).toBe(true);
});

it('a restore whose log cannot be brought home is refused: what was told last may be there alone', async () => {
  const bytesMax = bytesOf('edge.db');
  const store = await fixture.open();
  await Promise.all(Array.from({ length: 300 }, (_, at) => enrolOne(store, at)));
  // As a power cut leaves them.
  for (const rest of ['', '-wal']) copyFileSync(file(`edge.db${rest}`), file(`killed.db${rest}`));
  const { seq } = readHead(store.reads) as { seq: number };
  await store.close();
  rmSync(file('edge.db'));
  const before = readdirSync(fixture.folder);

  const { status, said } = edge(bytesMax, 'restore', file('killed.db'));
  expect(said).toMatch(/^edge: no restore of \S+edge\.db: .*\n$/);
  expect(status).toBe(3);
  expect(readdirSync(fixture.folder)).toEqual(before);

  expect(edge(1e9, 'restore', file('killed.db'))).toEqual({ status: 0, said: '' });
  const restored = await fixture.open();
  expect(readHead(restored.reads)?.seq).toBe(seq);
  await restored.close();
});

it('a restore of what is no file says so in one line', () => {
  writeFileSync(file('text.db'), 'no database');
  for (const [from, exitCode, complaint] of [
    [fixture.folder, 2, /^edge: \S+ is no file$/],
    [file('text.db'), 3, /^edge: \S+edge\.db\.restoring cannot be opened: file is not a database$/],
  ] as const) {
    const before = readdirSync(fixture.folder);
    const { status, said } = edge(1e9, 'restore', from);
    expect([status, said.trim().split('\n')]).toEqual([exitCode, [expect.stringMatching(complaint)]]);
    expect(readdirSync(fixture.folder)).toEqual(before);
  }
});
