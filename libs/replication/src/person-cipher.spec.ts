import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { rawPublicKey } from './head-signature.js';
import { NotOfThisKey, PersonCipher, SEALED_PATTERN } from './person-cipher.js';
import { openPersonKeys, sealPersonKeys } from './person-keys.js';
import { unwrapPersonKey, wrapPersonKey } from './person-wrap.js';

const person = v7();
const key = randomBytes(32);
const cipher = new PersonCipher(person, key);

describe('fields under the key of a person', () => {
  it('come back as they were, and give the same bytes each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        const sealed = cipher.seal('name', text);
        expect(sealed).toMatch(SEALED_PATTERN);
        expect(cipher.seal('name', text)).toBe(sealed);
        expect(new PersonCipher(person, key).open('name', sealed)).toBe(text);
      }),
    );
  });

  it('never use one nonce for two texts, fields or persons', () => {
    const other = new PersonCipher(v7(), key);
    const sealed = [
      cipher.seal('name', 'a'),
      cipher.seal('name', 'b'),
      cipher.seal('note', 'a'),
      other.seal('name', 'a'),
    ];
    expect(new Set(sealed.map((each) => each.slice(0, 19))).size).toBe(4);
  });

  it('open under no other key, person or field, and not when altered', () => {
    const sealed = cipher.seal('phone', '+27 82 555 0134');
    const flipped = `${sealed.slice(0, 30)}${sealed[30] === 'A' ? 'B' : 'A'}${sealed.slice(31)}`;
    const refusals = [
      () => new PersonCipher(person, randomBytes(32)).open('phone', sealed),
      () => new PersonCipher(v7(), key).open('phone', sealed),
      () => cipher.open('email', sealed),
      () => cipher.open('phone', flipped),
      () => cipher.open('phone', '+27 82 555 0134'),
    ];
    for (const refusal of refusals) expect(refusal).toThrow(NotOfThisKey);
  });

  it('enter the content hash by the key alone, the others as they are', () => {
    const received = { id: person, name: 'Ann', consentEmail: 'granted' };
    const hash = cipher.contentHash(received);
    expect(cipher.contentHash({ consentEmail: 'granted', name: 'Ann', id: person })).toBe(hash);
    expect(cipher.contentHash({ ...received, name: 'Anna' })).not.toBe(hash);
    expect(cipher.contentHash({ ...received, consentEmail: 'denied' })).not.toBe(hash);
    expect(new PersonCipher(person, randomBytes(32)).contentHash(received)).not.toBe(hash);
  });
});

describe('keys of persons', () => {
  it('travel sealed to one receiver', () => {
    const receiver = generateKeyPairSync('x25519').privateKey;
    const keys = Array.from({ length: 3 }, () => ({ person: v7(), key: randomBytes(32) }));
    const sealed = sealPersonKeys(keys, rawPublicKey(receiver));
    expect(openPersonKeys(sealed, receiver)).toEqual(keys);
    expect(() => openPersonKeys(sealed, generateKeyPairSync('x25519').privateKey)).toThrow();
  });

  it('lie wrapped under a key from elsewhere, each for its person', () => {
    const wrappingKey = randomBytes(32);
    const wrapped = wrapPersonKey(person, key, wrappingKey);
    expect(unwrapPersonKey(person, wrapped, wrappingKey)).toEqual(key);
    expect(unwrapPersonKey(v7(), wrapped, wrappingKey)).toBeNull();
    expect(unwrapPersonKey(person, wrapped, randomBytes(32))).toBeNull();
    expect(wrapped.includes(key)).toBe(false);
  });
});
