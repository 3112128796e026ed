import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isUuid } from './uuid.js';

describe('isUuid', () => {
  it('knows every version from 1 to 8', () => {
    fc.assert(fc.property(fc.uuid({ version: [1, 2, 3, 4, 5, 6, 7, 8] }), (id) => expect(isUuid(id)).toBe(true)));
  });

  it.each([
    ['upper case: one id, one spelling', '019A8F3C-7B1E-7C2D-8E4F-0123456789AB'],
    ['the nil UUID', '00000000-0000-0000-0000-000000000000'],
    ['version 9', '019a8f3c-7b1e-9c2d-8e4f-0123456789ab'],
    ['a foreign variant', '019a8f3c-7b1e-7c2d-ce4f-0123456789ab'],
    ['braces', '{019a8f3c-7b1e-7c2d-8e4f-0123456789ab}'],
    ['a line break after it', '019a8f3c-7b1e-7c2d-8e4f-0123456789ab\n'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(isUuid(text)).toBe(false);
  });
});
