import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { isPersonal } from '@branchline/domain/customer-fields.js';
import { contentHash } from './content-hash.js';

export const PERSON_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** `p1.` and base64url of nonce ‖ ciphertext ‖ tag. */
export const SEALED_PATTERN = /^p1\.[A-Za-z0-9_-]{38,}$/;
const PREFIX = 'p1.';

/** What lies under a person's key was not written with it, or was altered. */
export class NotOfThisKey extends Error {
  override readonly name = 'NotOfThisKey';
}

/**
 * The fields of one person, under that person's key: AES-256-GCM. Who destroys the key has destroyed them, wherever
 * their ciphertext lies.
 *
 * Deterministic: one text in one field of one person always gives the same bytes, so that a record made again from rows can
 * be compared with the one that was published. The nonce is no chance but HMAC-SHA256 over person, field and text under a
 * key of its own, cut to 96 bits: the construction of SIV (Rogaway and Shrimpton, RFC 5297). GCM breaks when one nonce serves
 * two texts under one key: here that takes two texts of one person whose HMACs agree in 96 bits, 2^-65 after 65,536 of them,
 * where NIST SP 800-38D allows 2^-32. What it tells: that a field has the text again that it had before, and how long it is.
 */
export class PersonCipher {
  private readonly key: Buffer;
  private readonly macKey: Buffer;

  constructor(
    private readonly person: string,
    personKey: Buffer,
  ) {
    if (personKey.length !== PERSON_KEY_BYTES) throw new Error('a key of a person has 32 bytes');
    // HMAC-SHA512 as the whole derivation: two independent keys, bound to the person, in 3 µs.
    const derived = createHmac('sha512', personKey).update(`branchline-person-1\n${person}`).digest();
    this.key = derived.subarray(0, 32);
    this.macKey = derived.subarray(32);
  }

  seal(field: string, text: string): string {
    const nonce = this.mac(`nonce\n${field}`, text).subarray(0, NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(this.place(field));
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return PREFIX + sealed.toString('base64url');
  }

  /** @throws NotOfThisKey */
  open(field: string, sealed: string): string {
    const bytes = Buffer.from(sealed.slice(PREFIX.length), 'base64url');
    if (!sealed.startsWith(PREFIX) || bytes.length < NONCE_BYTES + TAG_BYTES)
      throw new NotOfThisKey(`${field}: not sealed`);
    const end = bytes.length - TAG_BYTES;
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, NONCE_BYTES));
      decipher.setAAD(this.place(field)).setAuthTag(bytes.subarray(end));
      return decipher.update(bytes.subarray(NONCE_BYTES, end), undefined, 'utf8') + decipher.final('utf8');
    } catch (error) {
      throw new NotOfThisKey(`${field}: ${(error as Error).message}`);
    }
  }

  /**
   * What makes two writings of a customer the same: personal fields enter it as an HMAC, so that whoever has the journal
   * but not the key cannot try names until one fits.
   */
  contentHash(received: Record<string, unknown>): string {
    const masked = Object.entries(received).map(([field, value]) => {
      const isMasked = isPersonal(field) && typeof value === 'string';
      return [field, isMasked ? this.mac(`content\n${field}`, value).toString('hex') : value];
    });
    return contentHash(Object.fromEntries(masked) as Record<string, unknown>);
  }

  /** Says which key this is, and nothing of it. */
  keyHash(): string {
    return this.mac('key', '').toString('hex');
  }

  private mac(purpose: string, text: string): Buffer {
    return createHmac('sha256', this.macKey).update(`${purpose}\n`).update(text, 'utf8').digest();
  }

  /** A ciphertext moved to another field or person does not open there. */
  private place(field: string): Buffer {
    return Buffer.from(`${this.person}\n${field}`, 'utf8');
  }
}
