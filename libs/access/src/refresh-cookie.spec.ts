import { describe, expect, it } from '@jest/globals';
import { RefreshCookie } from './refresh-cookie.js';

const hub = new RefreshCookie('hub');
const read = (cookie?: string, of = hub) => of.tokenOf({ headers: { cookie } });

describe('the refresh cookie', () => {
  it('is for this host, TLS and HTTP only, and goes nowhere else', () => {
    const cookie = hub.holding('blr_abc', 60);
    expect(cookie).toMatch(/^__Host-[^;]+=blr_abc; Max-Age=60; /);
    for (const attribute of ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict'])
      expect(cookie.split('; ')).toContain(attribute);
    expect(cookie).not.toMatch(/Domain/i);
    expect(hub.cleared()).toContain('Max-Age=0');
  });

  it('comes back among others', () => {
    const pair = hub.holding('blr_abc', 60).split(';')[0] ?? '';
    expect(read(`a=b; ${pair}; c=d`)).toBe('blr_abc');
    expect(read(`x${pair}`)).toBeUndefined();
    expect(read('')).toBeUndefined();
    expect(read()).toBeUndefined();
  });

  it('of a hub and of an edge on one address are two', () => {
    const edge = new RefreshCookie('edge');
    const jar = [hub.holding('blr_hub', 60), edge.holding('blr_edge', 60)].map((cookie) => cookie.split(';')[0]);
    expect([read(jar.join('; ')), read(jar.join('; '), edge)]).toEqual(['blr_hub', 'blr_edge']);
  });

  it('is not believed when it comes twice, empty or as no token', () => {
    const pair = hub.holding('blr_abc', 60).split(';')[0] ?? '';
    expect(read(`${pair}; ${pair}`)).toBeUndefined();
    expect(read(hub.cleared().split(';')[0])).toBeUndefined();
    expect(read(`${pair}"`)).toBeUndefined();
  });
});
