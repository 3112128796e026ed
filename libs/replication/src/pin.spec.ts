import { describe, expect, it } from '@jest/globals';
import { pepperedPin } from './pin.js';

describe('a PIN', () => {
  const pepper = Buffer.alloc(32, 1);

  it('is another secret for another pepper, and for another operator with the same digits', () => {
    const pin = pepperedPin(pepper, 'anna', '1234');
    expect(pin).toMatch(/^[0-9a-f]{64}$/);
    expect(pepperedPin(Buffer.alloc(32, 2), 'anna', '1234')).not.toBe(pin);
    expect(pepperedPin(pepper, 'ben', '1234')).not.toBe(pin);
  });
});
