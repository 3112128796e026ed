import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LOCK_FILES, lockFolder } from './folder-lock.js';

const SCRIPT = new URL('../../dist/chain/folder-lock.js', import.meta.url).href;
/** As many as a small machine runs at the same moment: one that has no turn comes later. */
const COMERS = 2;
const TOGETHER_MS = 100;
const ROUNDS = 5;

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  children = [];
  folder = mkdtempSync(join(tmpdir(), 'branchline-lock-'));
});
afterEach(async () => {
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

/** A process that is up and waits to be told when to come for the folder. @returns what tells it, and what it then says */
async function comer(): Promise<{ child: ChildProcess; go(atMs?: number): Promise<string> }> {
  const source = `const { lockFolder } = await import(${JSON.stringify(SCRIPT)});
    console.log('up');
    process.stdin.once('data', (moment) => {
      while (Date.now() < Number(moment)) {}
      try { lockFolder(${JSON.stringify(folder)}); console.log('has it'); } catch (error) { console.log(error.message); }
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  await once(child.stdout, 'data');
  return {
    child,
    go: async (atMs = 0) => {
      const said = once(child.stdout, 'data') as Promise<[Buffer]>;
      child.stdin.write(String(atMs));
      return (await said)[0].toString().trim();
    },
  };
}

describe('a data folder', () => {
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    'is had by one of those that come at once for what a killed one has left (%d)',
    async () => {
      // As one that was killed, and its pid is nobody's.
      writeFileSync(join(folder, 'supervisor.pid'), '4194305\n1\n');
      const comers = await Promise.all(Array.from({ length: COMERS }, comer));
      const atMs = Date.now() + TOGETHER_MS;
      const said = await Promise.all(comers.map(({ go }) => go(atMs)));
      expect(said.filter((word) => word === 'has it')).toHaveLength(1);
      expect(said.filter((word) => word.startsWith(`${folder} is in use by `))).toHaveLength(COMERS - 1);
    },
  );

  it('is free again with the end of its process, however that comes', async () => {
    const first = await comer();
    expect(await first.go()).toBe('has it');
    expect(() => lockFolder(folder)).toThrow(`${folder} is in use by process ${first.child.pid}`);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(readdirSync(folder)).toEqual(LOCK_FILES);
    const release = lockFolder(folder);
    expect(() => lockFolder(folder)).toThrow(`${folder} is in use by process ${process.pid}`);
    release();
    lockFolder(folder)();
  });
});
