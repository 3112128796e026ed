import { describe, expect, it } from '@jest/globals';
import { isOldNode } from './node-version.js';

describe('a Node', () => {
  it.each([
    ['18.20.4', true],
    ['20.9.0', true],
    ['20.18.3', true],
    ['20.19.0', false],
    ['20.20.2', false],
    ['22.1.0', false],
    ['100.0.0', false],
  ])('%s is too old: %s', (version, isOld) => {
    expect(isOldNode(version)).toBe(isOld);
  });
});
