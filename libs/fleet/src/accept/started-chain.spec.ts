import { describe, expect, it } from '@jest/globals';
import { isGreen } from './fresh-clone.js';
import { plainEnvironment } from './scratch.js';
import { findCredentials } from './started-chain.js';

describe('what is read of others', () => {
  it('is the first that can sign in at head office, wherever it stands', () => {
    const jane = { email: 'jane@example.com', password: 'secret' };
    expect(
      findCredentials({ edges: [{ operator: '1', pin: '2580' }], hub: { people: [{ role: 'x', ...jane }] } }),
    ).toEqual(jane);
    expect(findCredentials({ email: 'jane@example.com', password: null })).toBeNull();
    expect(findCredentials(null)).toBeNull();
  });

  it.each([
    ['12 passed, 0 failed', true],
    ['12 passed, 0 failed, 2 skipped', true],
    ['12 passed, 1 failed', false],
    ['0 passed, 0 failed', false],
    ['Ran all test suites.', false],
  ])('the closing line «%s»: green is %s', (line, green) => {
    expect(isGreen(line)).toBe(green);
  });

  it('is a shell without our npm and without our database, and with everything else', () => {
    const theirs = { PATH: '/bin', npm_config_cache: '/cache' };
    const ours = {
      npm_lifecycle_event: 'accept',
      npm_config_local_prefix: '/x',
      INIT_CWD: '/x',
      DATABASE_URL: 'postgres://',
    };
    expect(plainEnvironment({ ...theirs, ...ours })).toEqual(theirs);
  });
});
