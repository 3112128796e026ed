import { describe, expect, it } from '@jest/globals';
import { judgeClaims } from './named-tests.js';

const claims = [
  { claim: 'one', file: 'a.spec.ts', title: /holds one/ },
  { claim: 'two', file: 'a.spec.ts', title: /holds two/ },
];
const test = (title: string, status: 'passed' | 'failed' | 'skipped' = 'passed', file = 'a.spec.ts') => {
  return { file, title, status };
};

describe('claims', () => {
  it('are proved by tests of their own file that pass', () => {
    expect(judgeClaims(claims, [test('it holds one'), test('it holds two')])).toEqual({ proved: 2, complaints: [] });
  });

  it.each([
    ['gone', [], 'no test of «two» in a.spec.ts'],
    ['in another file', [test('holds two', 'passed', 'b.spec.ts')], 'no test of «two» in a.spec.ts'],
    ['red', [test('holds two'), test('holds two more', 'failed')], 'failed: a.spec.ts › holds two more'],
    ['skipped', [test('holds two', 'skipped')], 'skipped: a.spec.ts › holds two'],
  ])('are not when a test is %s', (_what, tests, complaint) => {
    expect(judgeClaims(claims, [test('holds one'), ...tests])).toEqual({ proved: 1, complaints: [complaint] });
  });
});
