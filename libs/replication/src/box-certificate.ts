import { verify } from 'node:crypto';
import { ed25519PublicKey } from './head-signature.js';

/** What the hub stands by: which box, with which keys (raw, base64url), belongs to which branch. */
export type CertifiedBox = { tenant: string; branch: string; box: string; signingKey: string; sealingKey: string };

const MEMBERS = ['tenant', 'branch', 'box', 'signingKey', 'sealingKey'] as const;

/**
 * Whether the certificate (compact JWS, EdDSA) says just this of the box, under this certifying key. A box that holds its
 * own certificate knows the key again: no other one verifies it.
 */
export function certificateHolds(certificate: string, box: CertifiedBox, certifyingKey: string): boolean {
  const [header, payload, signature, ...rest] = certificate.split('.');
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return false;
  const signed = Buffer.from(`${header}.${payload}`, 'utf8');
  if (!verify(null, signed, ed25519PublicKey(certifyingKey), Buffer.from(signature, 'base64url'))) return false;
  const told = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Record<string, unknown>;
  return MEMBERS.every((member) => told[member] === box[member]);
}
