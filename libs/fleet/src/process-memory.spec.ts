import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { ownPeakMb, peakMbOf, treeMbOf } from './process-memory.js';

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('the memory of a process', () => {
  onLinux('is known at its peak, also after it has been given back, and with its children', async () => {
    const source = `let all = Buffer.alloc(200 << 20, 1); all = null; globalThis.gc();
      const { spawn } = require('node:child_process');
      const child = spawn(process.execPath, ['-e', 'globalThis.kept = Buffer.alloc(100 << 20, 1); console.log("up"); setInterval(() => undefined, 1000)']);
      child.stdout.on('data', () => console.log('up'));
      process.stdin.on('end', () => child.kill()).resume();`;
    const parent = spawn(process.execPath, ['--expose-gc', '-e', source], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(parent.stdout, 'data');
    expect(peakMbOf(parent.pid ?? 0)).toBeGreaterThan(200);
    const tree = treeMbOf(parent.pid ?? 0) ?? 0;
    expect(tree).toBeGreaterThan(100);
    expect(tree).toBeLessThan(300);
    parent.stdin.end();
    await once(parent, 'exit');
  });

  it('of this one is known, and of one that is gone is not', () => {
    expect(ownPeakMb()).toBeGreaterThan(20);
    expect(peakMbOf(2 ** 30)).toBeNull();
    expect(treeMbOf(2 ** 30)).toBeNull();
  });
});
