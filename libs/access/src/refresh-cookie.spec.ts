import { describe, expect, it } from '@jest/globals';
import { clearedRefreshCookie, refreshCookie, refreshTokenOfCookie } from './refresh-cookie.js';

const read = (cookie?: string) => refreshTokenOfCookie({ headers: { cookie } });

describe('the refresh cookie', () => {
  it('is for this host, TLS and HTTP only, and goes nowhere else', () => {
    const cookie = refreshCookie('blr_abc', 60);
    expect(cookie).toMatch(/^__Host-[^;]+=blr_abc; Max-Age=60; /);
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict'])
      expect(cookie.split('; ')).toContain(attribute);
    expect(cookie).not.toMatch(/Domain/i);
    expect(clearedRefreshCookie()).toContain('Max-Age=0');
  });

  it('comes back among others', () => {
    const pair = refreshCookie('blr_abc', 60).split(';')[0] ?? '';
    expect(read(`a=b; ${pair}; c=d`)).toBe('blr_abc');
    expect(read(`x${pair}`)).toBeUndefined();
    expect(read('')).toBeUndefined();
    expect(read()).toBeUndefined();
  });

  it('is not believed when it comes twice, empty or as no token', () => {
    const pair = refreshCookie('blr_abc', 60).split(';')[0] ?? '';
    expect(read(`${pair}; ${pair}`)).toBeUndefined();
    expect(read(clearedRefreshCookie().split(';')[0])).toBeUndefined();
    expect(read(`${pair}"`)).toBeUndefined();
  });
});
