import { JwtService } from '@nestjs/jwt';
import { createHash, createPublicKey, generateKeyPairSync, generateKeySync, type KeyObject } from 'node:crypto';
import { ACCESS_TOKEN_S_MAX } from './jwt-strategy.js';

export type SigningKey = {
  kid: string;
  algorithm: 'ES256' | 'HS256';
  /** Signs; never leaves the process but to its own file. */
  signingKey: KeyObject;
  /** Verifies: the public half, or the same secret for HS256. */
  verifyingKey: KeyObject;
};

export type AccessTokenInput = {
  issuer: string;
  audience: string;
  subject: string;
  /** At most ten minutes. */
  lifetimeS: number;
  nowMs: number;
  claims?: Readonly<Record<string, unknown>>;
};

const jwt = new JwtService({});
const RESERVED_CLAIMS = ['iss', 'aud', 'sub', 'iat', 'exp', 'nbf', 'typ'];

/** A fresh P-256 pair (ES256), or a 256-bit secret for a program that only checks its own tokens (HS256). */
export function newSigningKey(algorithm: SigningKey['algorithm'] = 'ES256'): SigningKey {
  if (algorithm === 'HS256') return signingKeyFrom(generateKeySync('hmac', { length: 256 }));
  return signingKeyFrom(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

/** @throws Error for a key that is neither a P-256 private key nor a secret of 256 bits or more */
export function signingKeyFrom(signingKey: KeyObject): SigningKey {
  if (signingKey.type === 'secret') {
    if ((signingKey.symmetricKeySize ?? 0) < 32) throw new Error('a signing secret has at least 256 bits');
    return { kid: keyId(signingKey), algorithm: 'HS256', signingKey, verifyingKey: signingKey };
  }
  if (signingKey.type !== 'private' || signingKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error('a signing key is a P-256 private key or a secret');
  }
  const verifyingKey = createPublicKey(signingKey);
  return { kid: keyId(verifyingKey), algorithm: 'ES256', signingKey, verifyingKey };
}

/** RFC 7638: the thumbprint of a public key. Of a secret, the start of a hash bound to this use. */
export function keyId(key: KeyObject): string {
  if (key.type === 'secret') {
    return createHash('sha256').update('branchline-kid-1\n').update(key.export()).digest('base64url').slice(0, 16);
  }
  const { crv, kty, x, y } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  return createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
}

/** An access token as `makeJwtStrategy` takes it. */
export function signAccessToken(key: SigningKey, input: AccessTokenInput): string {
  const { issuer, audience, subject, lifetimeS, nowMs, claims = {} } = input;
  if (lifetimeS > ACCESS_TOKEN_S_MAX) throw new Error(`an access token lives ${ACCESS_TOKEN_S_MAX} s at most`);
  const reserved = RESERVED_CLAIMS.find((name) => Object.hasOwn(claims, name));
  if (reserved) throw new Error(`the claim ${reserved} is not the caller's to set`);
  const iat = Math.floor(nowMs / 1000);
  const payload = { ...claims, iss: issuer, aud: audience, sub: subject, iat, exp: iat + lifetimeS, typ: 'access' };
  return jwt.sign(payload, { privateKey: key.signingKey, algorithm: key.algorithm, keyid: key.kid });
}
