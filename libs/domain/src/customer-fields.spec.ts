import { expect, it } from '@jest/globals';
import { isStricterConsent } from './customer-consent.js';
import { lookUpKeys, normalised } from './customer-fields.js';

it.each([
  ['  José \u00a0 Núñez ', 'José Núñez'],
  ['Jose\u0301', 'José'],
  [' \t ', null],
])('says %j as %j', (typed, kept) => {
  expect(normalised(typed)).toBe(kept);
});

it.each([
  [{ name: 'José  NÚÑEZ' }, { nameKey: 'jose nunez', emailKey: null, phoneKey: null }],
  [{ email: ' Ann@Example.COM ' }, { nameKey: null, emailKey: 'ann@example.com', phoneKey: null }],
  [{ phone: '+27 (0)82 555-0134' }, { nameKey: null, emailKey: null, phoneKey: '825550134' }],
  [{ phone: '082 555 0134' }, { nameKey: null, emailKey: null, phoneKey: '825550134' }],
  [{ phone: 'none' }, { nameKey: null, emailKey: null, phoneKey: null }],
])('finds %j by its keys', (values, keys) => {
  expect(lookUpKeys(values)).toEqual(keys);
});

it('orders consents: a no before nothing said before a yes, and what it does not know is no yes', () => {
  expect(isStricterConsent('denied', null)).toBe(true);
  expect(isStricterConsent(null, 'granted')).toBe(true);
  expect(isStricterConsent('by-letter', 'granted')).toBe(true);
  expect(isStricterConsent('granted', 'denied')).toBe(false);
  expect(isStricterConsent('denied', 'denied')).toBe(false);
});
