import { describe, expect, it } from '@jest/globals';
import { holdsCardNumber } from './card-number.js';

describe('holdsCardNumber', () => {
  it.each([
    '4111111111111111',
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    'card 378282246310005.',
    '6011000990139424 ',
  ])('sees one in %s', (text) => expect(holdsCardNumber(text)).toBe(true));
  it.each(['****1234', '411111******1111', '4111111111111112', '000012345678', 'VISA', ''])('sees none in %s', (text) =>
    expect(holdsCardNumber(text)).toBe(false),
  );
});
