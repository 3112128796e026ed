import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';

const CHAOS = fileURLToPath(new URL('../dist/commands/chaos.js', import.meta.url));

const chaos = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [CHAOS, ...args])) };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
};

describe('npm run chaos', () => {
  it('strikes real processes with a disaster of each end, and all is whole afterwards', async () => {
    const { code, stdout, stderr } = await chaos(
      ...['--times', '1', '--only', 'database-behind-witness', '--only', 'hub-restored', '--seed', '5'],
    );
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/^faults=2 kills=\d+ acked=\d+ lost=0 doubled=0\n$/);
  }, 120_000);

  it('says which faults there are to one that is none', async () => {
    const { code, stderr } = await chaos('--only', 'earthquake');
    expect(code).toBe(2);
    expect(stderr).toMatch(/no fault is called earthquake; there is: .*hub-restored/);
  });
});
