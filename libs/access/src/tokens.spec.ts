import { describe, expect, it } from '@jest/globals';
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { keyId, newSigningKey, signingKeyFrom } from './jwt-signing.js';
import { isOpaqueToken, newOpaqueToken, tokenMatches } from './opaque-token.js';
import { REFRESH_GRACE_MS, decideRefresh, hashToken, newRefreshToken, type RefreshRow } from './refresh-token.js';

const T0 = 1_000_000;
const fresh: RefreshRow = {
  expiresAtMs: T0 + 1_000_000,
  familyEndedAtMs: null,
  usedAtMs: null,
  graceAtMs: null,
  voidedAtMs: null,
  successorUsed: false,
};
const used = { ...fresh, usedAtMs: T0 };

describe('a refresh token', () => {
  it.each([
    ['never seen', undefined, T0, 'unknown'],
    ['unused', fresh, T0, 'rotate'],
    ['unused, a millisecond before its end', fresh, fresh.expiresAtMs - 1, 'rotate'],
    ['unused, at its end', fresh, fresh.expiresAtMs, 'expired'],
    ['used a moment ago', used, T0, 'grace'],
    ['used as long ago as the grace lasts', used, T0 + REFRESH_GRACE_MS, 'grace'],
    ['used longer ago', used, T0 + REFRESH_GRACE_MS + 1, 'reuse'],
    ['used, while the clock went back', used, T0 - 1, 'reuse'],
    ['used, its grace given', { ...used, graceAtMs: T0 + 1 }, T0 + 2, 'reuse'],
    ['used, its successor used too', { ...used, successorUsed: true }, T0 + 1, 'reuse'],
    ['voided by a grace', { ...fresh, voidedAtMs: T0 }, T0 + 1, 'reuse'],
    ['voided by a grace and past its end', { ...fresh, voidedAtMs: T0 }, fresh.expiresAtMs + 1, 'reuse'],
    ['used, past its end', used, fresh.expiresAtMs + 1, 'reuse'],
    ['of a family that was ended', { ...fresh, familyEndedAtMs: T0 }, T0 + 1, 'expired'],
    ['used, of a family that was ended', { ...used, familyEndedAtMs: T0 }, T0 + 1, 'expired'],
  ])('%s', (_what, row, nowMs, expected) => {
    expect(decideRefresh(row, nowMs)).toBe(expected);
  });

  it('presented a hundred times at once opens twice and ends its family', () => {
    const row = { ...fresh };
    const decisions = Array.from({ length: 100 }, (_, at) => {
      const decision = decideRefresh(row, T0 + at);
      if (decision === 'rotate') row.usedAtMs = T0 + at;
      if (decision === 'grace') row.graceAtMs = T0 + at;
      if (decision === 'reuse') row.familyEndedAtMs = T0 + at;
      return decision;
    });
    expect(decisions.slice(0, 4)).toEqual(['rotate', 'grace', 'reuse', 'expired']);
    expect(new Set(decisions.slice(3))).toEqual(new Set(['expired']));
  });

  it('has 256 random bits, of which the hash alone is kept', () => {
    const { token, hash } = newRefreshToken((bytes) => Buffer.alloc(bytes, 7));
    expect(Buffer.from(token.slice(4), 'base64url')).toHaveLength(32);
    expect(hash).toBe(hashToken(token));
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('an opaque token', () => {
  it('matches its own hash and no other', () => {
    const one = newOpaqueToken('bld', randomBytes);
    const other = newOpaqueToken('bld', randomBytes);
    expect(tokenMatches(one.token, one.hash)).toBe(true);
    expect(tokenMatches(one.token, other.hash)).toBe(false);
    expect(tokenMatches(one.token, '')).toBe(false);
    expect(one.token).not.toContain(one.hash);
  });

  it('is told from other texts before anything is looked up', () => {
    const { token } = newOpaqueToken('bld', randomBytes);
    expect(isOpaqueToken('bld', token)).toBe(true);
    for (const text of [`${token}A`, token.slice(0, -1), token.replace('bld', 'bls'), '', 'bld_']) {
      expect([text, isOpaqueToken('bld', text)]).toEqual([text, false]);
    }
  });
});

describe('a signing key', () => {
  it('has the thumbprint of RFC 7638 as its id, the same from either half', () => {
    const { kid, signingKey, verifyingKey } = newSigningKey();
    expect(kid).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect([keyId(signingKey), keyId(verifyingKey)]).toEqual([kid, kid]);
    expect(newSigningKey().kid).not.toBe(kid);
  });

  it('verifies with the public half only', () => {
    expect(newSigningKey().verifyingKey.type).toBe('public');
  });

  it('is refused when it is short or of another kind', () => {
    expect(() => signingKeyFrom(createSecretKey(Buffer.alloc(31)))).toThrow(/256 bits/);
    expect(() => signingKeyFrom(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)).toThrow(/P-256/);
    expect(() => signingKeyFrom(newSigningKey().verifyingKey)).toThrow(/P-256/);
  });
});
