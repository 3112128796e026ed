import { tmpdir } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { assertSpace } from './disk-space.js';

const MORE_THAN_ANY_DISK = 2 ** 70;

describe('the space on a disk', () => {
  it('is enough, or is told with what is needed, or with what came of it', () => {
    expect(() => assertSpace(tmpdir(), 0)).not.toThrow();
    expect(() => assertSpace(tmpdir(), MORE_THAN_ANY_DISK)).toThrow(
      /^\S+: \d+ MB left on its disk, \d+ MB are needed$/,
    );
    expect(() => assertSpace(tmpdir(), MORE_THAN_ANY_DISK, new Error('hub ended'))).toThrow(
      expect.objectContaining({
        name: 'EnvironmentFailure',
        message: expect.stringMatching(/^\S+: \d+ MB left on its disk: hub ended$/),
      }),
    );
  });
});
