import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { JSON_DEPTH_MAX, parseStrictJson } from './strict-json.js';

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text, 'utf8'));

describe('strict JSON', () => {
  it('reads whatever JSON.stringify writes, to the same value', () => {
    const value = fc.jsonValue({ maxDepth: 6, stringUnit: 'binary', noUnicodeString: false }).filter(isTakenWhole);
    fc.assert(fc.property(value, (one) => expect(parse(JSON.stringify(one))).toEqual(JSON.parse(JSON.stringify(one)))));
  });

  it('refuses any object in which a member is written twice, wherever it stands', () => {
    const members = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 });
    fc.assert(
      fc.property(members.filter(isTakenWhole), fc.nat(), fc.nat(3), (object, pick, depth) => {
        const texts = Object.entries(object).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
        const doubled = `{${[...texts, texts[pick % texts.length]].join(' , ')}}`;
        expect(() => parse('[{"x":'.repeat(depth) + doubled + '}]'.repeat(depth))).toThrow(/same key twice/);
      }),
    );
  });

  it('takes the deepest nesting it allows and no deeper', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parse(nested(JSON_DEPTH_MAX))).not.toThrow();
    expect(() => parse(nested(JSON_DEPTH_MAX + 1))).toThrow(/nested deeper/);
  });

  it('takes prototype-like names that can do no harm', () => {
    expect(parse('{"constructor":"Gaudi","prototype":1}')).toEqual({ constructor: 'Gaudi', prototype: 1 });
  });
});

/** What is refused on purpose has its own cases in test/http-app.spec.ts. */
function isTakenWhole(value: unknown): boolean {
  const text = JSON.stringify(value);
  return !/\\u0000|\\ud[89a-f]|"__proto__"|"constructor"/.test(text);
}
