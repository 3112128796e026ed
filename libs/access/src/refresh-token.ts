import { createHash } from 'node:crypto';

/** After this a lost reply is no longer believed. */
export const REFRESH_GRACE_MS = 30_000;
const TOKEN_BYTES = 32;

/** What the store knows of a refresh token; the same at the edge (SQLite) and the hub (PostgreSQL). */
export type RefreshRow = {
  expiresAtMs: number;
  /** Set when the whole family was ended: sign-out, reuse, removal of the person. */
  familyEndedAtMs: number | null;
  /** Set when this token was exchanged for a successor. */
  usedAtMs: number | null;
  /** Set when the one grace was given. */
  graceAtMs: number | null;
  /** Set when a grace replaced this successor before its use. */
  voidedAtMs: number | null;
  /** Whether the latest successor was exchanged itself, which proves that the reply arrived. */
  successorUsed: boolean;
};

/**
 * `rotate`: hand out a successor, set usedAtMs. `grace`: void the unused successor, hand out another, set graceAtMs.
 * `reuse`: end the family. `expired`, `unknown`: refuse.
 */
export type RefreshDecision = 'rotate' | 'grace' | 'reuse' | 'expired' | 'unknown';

/**
 * Decides about one presented token. The caller holds the row locked from reading to writing: of a hundred parallel uses
 * one rotates, one gets the grace, and the third ends the family, whatever the first two were told.
 */
export function decideRefresh(row: RefreshRow | undefined, nowMs: number): RefreshDecision {
  if (!row) return 'unknown';
  if (row.familyEndedAtMs !== null) return 'expired';
  // Before expiry: a thief who waits must not go unnoticed.
  if (row.voidedAtMs !== null) return 'reuse';
  if (row.usedAtMs === null) return nowMs < row.expiresAtMs ? 'rotate' : 'expired';
  const sinceUseMs = nowMs - row.usedAtMs;
  const isInGrace = sinceUseMs >= 0 && sinceUseMs <= REFRESH_GRACE_MS && nowMs < row.expiresAtMs;
  return isInGrace && row.graceAtMs === null && !row.successorUsed ? 'grace' : 'reuse';
}

/** 256 random bits; only the hash is stored. */
export function newRefreshToken(random: (bytes: number) => Buffer): { token: string; hash: string } {
  const token = `blr_${random(TOKEN_BYTES).toString('base64url')}`;
  return { token, hash: hashToken(token) };
}

/** SHA-256, hex. No salt and no stretching: there is nothing to guess in 256 random bits. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}
