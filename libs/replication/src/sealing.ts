import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto';
import { rawPublicKey } from './head-signature.js';

/**
 * Seals a secret to a box's X25519 key, so that only that box can read it: an ephemeral key pair, HKDF-SHA256 over the
 * shared secret (bound to both public keys), AES-256-GCM. Text form: `ephemeralKey.iv.ciphertext.tag`, base64url each.
 */
export function seal(secret: Buffer, sealingKey: string): string {
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralRaw = rawPublicKey(ephemeral.publicKey);
  const key = sharedKey(ephemeral.privateKey, x25519PublicKey(sealingKey), ephemeralRaw, sealingKey);
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const ciphertext = Buffer.concat([cipher.update(secret), cipher.final()]);
  const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return [ephemeralRaw, ...parts].join('.');
}

/** @throws when the text was sealed to another key or was altered */
export function openSealed(sealed: string, privateKey: KeyObject): Buffer {
  const [ephemeralRaw, iv, ciphertext, tag] = sealed.split('.');
  if (!ephemeralRaw || !iv || ciphertext === undefined || !tag) throw new Error('not a sealed secret');
  const key = sharedKey(privateKey, x25519PublicKey(ephemeralRaw), ephemeralRaw, rawPublicKey(privateKey));
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'));
  decipher.setAuthTag(Buffer.from(tag, 'base64url'));
  return Buffer.concat([decipher.update(Buffer.from(ciphertext, 'base64url')), decipher.final()]);
}

function sharedKey(privateKey: KeyObject, publicKey: KeyObject, ephemeralRaw: string, sealingKey: string): Buffer {
  const secret = diffieHellman({ privateKey, publicKey });
  return Buffer.from(
    hkdfSync('sha256', secret, Buffer.alloc(0), `branchline-seal-1\n${ephemeralRaw}\n${sealingKey}`, 32),
  );
}

function x25519PublicKey(raw: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw }, format: 'jwk' });
}
