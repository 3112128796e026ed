import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A person's key as it lies in a table: AES-256-GCM under a key that is kept outside the database. `nonce ‖ ciphertext ‖ tag`. */
export function wrapPersonKey(person: string, key: Buffer, wrappingKey: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce).setAAD(Buffer.from(person, 'utf8'));
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}

/** @returns null when it was wrapped under another key or for another person, or was altered */
export function unwrapPersonKey(person: string, wrapped: Buffer, wrappingKey: Buffer): Buffer | null {
  try {
    const decipher = createDecipheriv('aes-256-gcm', wrappingKey, wrapped.subarray(0, NONCE_BYTES));
    decipher.setAAD(Buffer.from(person, 'utf8')).setAuthTag(wrapped.subarray(wrapped.length - TAG_BYTES));
    return Buffer.concat([
      decipher.update(wrapped.subarray(NONCE_BYTES, wrapped.length - TAG_BYTES)),
      decipher.final(),
    ]);
  } catch {
    return null;
  }
}
