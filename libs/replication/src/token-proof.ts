import { sign, verify, type KeyObject } from 'node:crypto';
import { canonicalJson } from './canonical-json.js';
import { ed25519PublicKey } from './head-signature.js';

/** What a box signs to get a service token: its own id and the hub's single-use nonce, so that a wrong clock locks nobody out. */
function tokenMessage(box: string, nonce: string): Buffer {
  return Buffer.from(`branchline-token-1\n${canonicalJson({ box, nonce })}`, 'utf8');
}

export function signTokenProof(box: string, nonce: string, key: KeyObject): string {
  return sign(null, tokenMessage(box, nonce), key).toString('base64url');
}

export function tokenProofHolds(box: string, nonce: string, signature: string, signingKey: string): boolean {
  return verify(null, tokenMessage(box, nonce), ed25519PublicKey(signingKey), Buffer.from(signature, 'base64url'));
}
