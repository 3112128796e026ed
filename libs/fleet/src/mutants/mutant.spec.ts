import { describe, expect, it } from '@jest/globals';
import { NoLongerFits, plant } from './mutant.js';

const edit = { file: 'a.ts', find: 'one();\n', replace: 'two();\n' };

describe('a planted bug', () => {
  it('takes the place of the text it was made for, and of nothing else', () => {
    expect(plant('zero();\none();\nthree();\n', edit)).toBe('zero();\ntwo();\nthree();\n');
    expect(plant('one();\n', { ...edit, replace: '$& $1' })).toBe('$& $1');
  });

  it.each([
    ['gone', 'zero();\n', /a\.ts does not hold «one\(\);»/],
    ['there twice', 'one();\none();\n', /a\.ts holds more than once «one\(\);»/],
  ])('is refused when that text is %s', (_what, source, message) => {
    expect(() => plant(source, edit)).toThrow(NoLongerFits);
    expect(() => plant(source, edit)).toThrow(message);
  });
});
