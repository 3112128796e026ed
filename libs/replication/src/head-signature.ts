import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';

export type Head = { tenant: string; branch: string; incarnation: string; seq: number; hash: string };

/** What a box signs with its Ed25519 key to stand by its journal up to a line. Ids, not codes; `hash` in hex. */
function headMessage(head: Head): Buffer {
  return Buffer.from(
    `branchline-head-1\n${head.tenant}\n${head.branch}\n${head.incarnation}\n${head.seq}\n${head.hash}`,
    'utf8',
  );
}

export function signHead(head: Head, key: KeyObject): string {
  return sign(null, headMessage(head), key).toString('base64url');
}

/** 64 bytes. Node passes over whatever is no base64url: a signature with a NUL behind it would hold, and be kept. */
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;

/** @param signingKey raw Ed25519 public key, base64url */
export function headIsSigned(head: Head, signature: string, signingKey: string): boolean {
  if (!SIGNATURE.test(signature)) return false;
  return verify(null, headMessage(head), ed25519PublicKey(signingKey), Buffer.from(signature, 'base64url'));
}

export function ed25519PublicKey(raw: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw }, format: 'jwk' });
}

/** Raw public key of a key pair, base64url: how keys travel. */
export function rawPublicKey(key: KeyObject): string {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  if (x === undefined) throw new Error('not an Edwards or Montgomery key');
  return x;
}
