import { signAccessToken, signingKeyFrom, type SigningKey } from '@branchline/access/jwt-signing.js';
import type { BoxIdentity } from '../store/box.js';
import { createSecretKey } from 'node:crypto';

export const ACCESS_LIFETIME_S = 600;
export const ACCESS_AUDIENCE = 'edge-api';

export type AccessSubject = { operator: string; device: string; till: string };

/** Each box is its own issuer: the token of one store opens no other, even were their secrets alike. */
export function accessIssuer(box: BoxIdentity): string {
  return `branchline-edge:${box.box}`;
}

export function accessKey(box: BoxIdentity): SigningKey {
  return signingKeyFrom(createSecretKey(box.tokenSecret));
}

/** Says who signed in where. What they may do is never in it: that is looked up on every request. */
export function accessToken(
  key: SigningKey,
  box: BoxIdentity,
  { operator, device, till }: AccessSubject,
  nowMs: number,
): string {
  return signAccessToken(key, {
    issuer: accessIssuer(box),
    audience: ACCESS_AUDIENCE,
    subject: operator,
    lifetimeS: ACCESS_LIFETIME_S,
    nowMs,
    claims: { operator, device, till },
  });
}
