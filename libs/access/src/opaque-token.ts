import { timingSafeEqual } from 'node:crypto';
import { hashToken } from './refresh-token.js';

const TOKEN_BYTES = 32;

/** Tokens that are looked up, not read: `bld_` devices, `bls_` service tokens, `bll_` sign-in links. The prefix lets secret scanners find leaks. */
export type OpaqueTokenPrefix = 'bld' | 'bls' | 'bll';

export function newOpaqueToken(
  prefix: OpaqueTokenPrefix,
  random: (bytes: number) => Buffer,
): { token: string; hash: string } {
  const token = `${prefix}_${random(TOKEN_BYTES).toString('base64url')}`;
  return { token, hash: hashToken(token) };
}

/** Whether a text can be such a token at all, before anything is looked up. */
export function isOpaqueToken(prefix: OpaqueTokenPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && /^[A-Za-z0-9_-]{43}$/.test(text.slice(prefix.length + 1));
}

/** Compares with the stored hash in constant time. */
export function tokenMatches(token: string, storedHash: string): boolean {
  const stored = Buffer.from(storedHash, 'hex');
  const presented = Buffer.from(hashToken(token), 'hex');
  return stored.length === presented.length && timingSafeEqual(stored, presented);
}
