import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const COMMAND = fileURLToPath(new URL('../dist/commands/bench.js', import.meta.url));
const bench = (...flags: string[]) => spawnSync(process.execPath, [COMMAND, ...flags], { encoding: 'utf8' });

describe('npm run bench', () => {
  it('says what there is, and exits 2 for what there is not', () => {
    const unknown = bench('nothing');
    expect(unknown.status).toBe(2);
    expect(unknown.stderr).toMatch(/no bench is called nothing; there is: .*edge/);
    expect(bench('--help')).toMatchObject({ status: 0 });
  });

  it('does not measure less than five rounds', () => {
    expect(bench('edge', '--rounds', '4').status).toBe(2);
  });

  it('exits 3 where there is no disk to measure', () => {
    const nowhere = bench('edge', '--data', '/nowhere/at-all');
    expect(nowhere.status).toBe(3);
    expect(nowhere.stderr).toContain('no folder can be made in /nowhere/at-all');
  });
});
