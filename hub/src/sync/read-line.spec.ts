import { describe, expect, it } from '@jest/globals';
import { readLine } from './read-line.js';

const labelOf = (said: unknown) => {
  const reading = readLine(Buffer.from(typeof said === 'string' ? said : JSON.stringify(said)), 2);
  if (!('setAside' in reading)) throw new Error('the line was read');
  const { code, kind, key } = reading.setAside;
  return { code, kind, key };
};

describe('what is no line', () => {
  it.each([
    ['kind and key where it says them', { seq: 2, kind: 'sale', key: 'S-1' }, { kind: 'sale', key: 'S-1' }],
    ['its kind alone', { kind: 'sale', key: 7 }, { kind: 'sale', key: '' }],
    ['its key alone', { kind: 'No Kind', key: 'S-1' }, { kind: '', key: 'S-1' }],
    ['a key that can be stored', { kind: 'sale', key: 'a\u0000b' }, { kind: 'sale', key: 'a�b' }],
    ['nothing where the key is a book', { kind: 'sale', key: 'x'.repeat(101) }, { kind: 'sale', key: '' }],
    ['nothing of a list', [{ kind: 'sale', key: 'S-1' }], { kind: '', key: '' }],
    ['nothing of null', null, { kind: '', key: '' }],
    ['nothing of what is no JSON', '{"kind":"sale"', { kind: '', key: '' }],
  ])('is set aside with %s', (_what, said, label) => {
    expect(labelOf(said)).toEqual({ code: 'malformed-line', ...label });
  });
});
