import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';

export const BUNDLE_CHUNK_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
const NONCE_BYTES = 12;
const [NOT_LAST, LAST] = [0, 1];

/**
 * Key of one bundle's chunks, for either side: HKDF-SHA256 over the X25519 secret of one's own private key and the other's
 * public key, salted with the bundle's clear part, in which both public keys stand.
 * @throws when the public key is no point of the curve, or a weak one
 */
export function bundleKey(privateKey: KeyObject, publicKey: string, preamble: Buffer): Buffer {
  const secret = diffieHellman({
    privateKey,
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: publicKey }, format: 'jwk' }),
  });
  return Buffer.from(hkdfSync('sha256', secret, preamble, 'branchline-bundle-1', 32));
}

/** The key is this bundle's alone, so that nonces may be counted: eleven bytes of the chunk's number, one of whether it is the last. */
function nonceOf(no: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUIntBE(no, NONCE_BYTES - 7, 6);
  nonce[NONCE_BYTES - 1] = isLast ? LAST : NOT_LAST;
  return nonce;
}

export function sealChunk(key: Buffer, no: number, isLast: boolean, plain: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(no, isLast));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws when it is not the chunk of this number, or not the last, or sealed under another key */
export function openChunk(key: Buffer, no: number, isLast: boolean, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(no, isLast), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  decipher.final();
  return plain;
}
