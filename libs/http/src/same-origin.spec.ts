import { describe, expect, it } from '@jest/globals';
import { assertSameOrigin } from './same-origin.js';

const host = 'shop.example:8443';

describe('a request that brings a cookie', () => {
  it.each([
    ['of a program, which names no page', {}],
    ['of our own page', { origin: 'https://shop.example:8443' }],
    [
      'of our own page behind a proxy that ends TLS',
      { origin: 'http://shop.example:8443', 'sec-fetch-site': 'same-origin' },
    ],
    ['that the person typed', { 'sec-fetch-site': 'none' }],
  ])('%s is taken', (_what, headers) => {
    expect(() => assertSameOrigin({ headers: { host, ...headers } })).not.toThrow();
  });

  it.each([
    ['of another host', { origin: 'https://evil.example' }],
    ['of another port', { origin: 'https://shop.example' }],
    ['of a host that begins alike', { origin: 'https://shop.example:8443.evil.example' }],
    ['of a sandbox', { origin: 'null' }],
    ['of a sibling site', { 'sec-fetch-site': 'same-site' }],
    ['of a foreign site that hides its name', { 'sec-fetch-site': 'cross-site' }],
  ])('%s is refused', (_what, headers) => {
    expect(() => assertSameOrigin({ headers: { host, ...headers } })).toThrow(
      expect.objectContaining({ code: 'foreign-origin' }),
    );
  });
});
