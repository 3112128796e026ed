import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';

const CHANCE_BYTES = 18;
const EXPIRY_BYTES = 6;
const MAC_BYTES = 16;
const NONCE_BYTES = CHANCE_BYTES + EXPIRY_BYTES + MAC_BYTES;
export const NONCE_S = 60;

/**
 * Nonces that the hub knows again without having kept them: asking for one writes nothing, so that nobody can fill the
 * database or push out a box's own nonce by asking. That each is used once is kept where it is used.
 * Form: chance ‖ expiry (48 bits, ms) ‖ HMAC over both and the box, base64url.
 */
export class Nonces {
  private readonly key: Buffer;

  /** @param secret any secret of the hub, the same in all its processes */
  constructor(secret: KeyObject) {
    const bytes = secret.export({ type: 'pkcs8', format: 'der' });
    this.key = createHmac('sha256', bytes).update('branchline-nonce-key-1').digest();
  }

  give(box: string, chance: Buffer, nowMs: number): string {
    const open = Buffer.alloc(CHANCE_BYTES + EXPIRY_BYTES);
    chance.copy(open, 0, 0, CHANCE_BYTES);
    open.writeUIntBE(nowMs + NONCE_S * 1000, CHANCE_BYTES, EXPIRY_BYTES);
    return Buffer.concat([open, this.mac(box, open)]).toString('base64url');
  }

  /** When the nonce expires, if it was given to this box and has not; otherwise null. */
  expiryMs(box: string, nonce: string, nowMs: number): number | null {
    const bytes = Buffer.from(nonce, 'base64url');
    if (bytes.length !== NONCE_BYTES || bytes.toString('base64url') !== nonce) return null;
    const open = bytes.subarray(0, CHANCE_BYTES + EXPIRY_BYTES);
    if (!timingSafeEqual(this.mac(box, open), bytes.subarray(open.length))) return null;
    const expiryMs = open.readUIntBE(CHANCE_BYTES, EXPIRY_BYTES);
    return nowMs < expiryMs ? expiryMs : null;
  }

  private mac(box: string, open: Buffer): Buffer {
    return createHmac('sha256', this.key)
      .update(`branchline-nonce-1\n${box}\n`)
      .update(open)
      .digest()
      .subarray(0, MAC_BYTES);
  }
}
