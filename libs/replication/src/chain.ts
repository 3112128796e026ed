import { createHash } from 'node:crypto';

/** The predecessor of line 1 of every incarnation: 32 zero bytes. */
export const GENESIS_HASH: Buffer = Buffer.alloc(32);

/** `hash(n) = sha256(hash(n−1) ‖ line bytes)`. The bytes are the line's JSON text as it was written, never re-serialised. */
export function chainHash(previous: Buffer, lineBytes: Buffer): Buffer {
  return createHash('sha256').update(previous).update(lineBytes).digest();
}

export function sha256Hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
