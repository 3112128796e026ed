import { createHash, verify } from 'node:crypto';
import { z } from 'zod';
import { BUNDLE_CHUNK_BYTES, TAG_BYTES } from './bundle-chunks.js';
import { ed25519PublicKey } from './head-signature.js';
import { id, instantMs, rawKey } from './kinds/fields.js';

/*
 * What a store with no line and head office carry to each other as a file, on a stick or in a mail. One file:
 *
 *   branchline-bundle-1 LF          what it is
 *   header LF                       JSON, in clear: where it goes and from whom
 *   chunks                          records, encrypted to the receiver (`bundle-chunks.ts`)
 *   signature                       64 bytes, Ed25519, of the sender, over SHA-256 of all before
 *
 * Learnt from age (c2sp.org/age), HPKE (RFC 9180) and STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015): an ephemeral
 * X25519 key and HKDF give the payload its own key; chunks of 64 KiB are sealed each with a nonce of counter and last-flag,
 * so that a gigabyte streams and a chunk lost, doubled, moved or cut away is found. Neither of the first two says who wrote
 * a file; so it is signed, outside, by the key that the receiver holds of the sender already, and may be proved before
 * anything is decrypted. The whole clear part is the salt of the payload's key: signed anew under another name by somebody
 * who cannot read it, a bundle does not open.
 */

export const BUNDLE_MEDIA_TYPE = 'application/vnd.branchline.bundle';
export const BUNDLE_BYTES_MAX = 1024 * 1024 * 1024;
export const BUNDLE_MAGIC = Buffer.from('branchline-bundle-1\n', 'utf8');
export const SIGNATURE_BYTES = 64;
const HEADER_BYTES_MAX = 4 * 1024;

/** `up`: of the box, for the hub; `down`: of the hub, for the box. Keys are raw public keys, base64url. */
export const bundleHeaderSchema = z.strictObject({
  direction: z.enum(['up', 'down']),
  tenant: id,
  branch: id,
  box: id,
  bundle: id,
  createdAt: instantMs,
  /** Of the receiver. */
  sealedTo: rawKey,
  /** Of this bundle alone. */
  ephemeralKey: rawKey,
});
export type BundleHeader = z.infer<typeof bundleHeaderSchema>;

export type BundleFault = 'malformed' | 'forged' | 'sealed-to-another';

/** Nothing of the bundle is taken. `malformed`: no bundle, or not all of it; `forged`: altered, or not of who it says. */
export class BadBundle extends Error {
  override readonly name = 'BadBundle';
  constructor(
    readonly fault: BundleFault,
    message: string,
  ) {
    super(message);
  }
}

/** The clear part, to the byte. */
export function encodePreamble(header: BundleHeader): Buffer {
  return Buffer.concat([BUNDLE_MAGIC, Buffer.from(`${JSON.stringify(header)}\n`, 'utf8')]);
}

/** As many bytes of a file as its clear part has at most. */
export const PREAMBLE_BYTES_MAX = BUNDLE_MAGIC.length + HEADER_BYTES_MAX + 1;

/** @param start of a file, `PREAMBLE_BYTES_MAX` of it or all there are @throws BadBundle */
export function decodePreamble(start: Buffer): { header: BundleHeader; preamble: Buffer } {
  if (!start.subarray(0, BUNDLE_MAGIC.length).equals(BUNDLE_MAGIC))
    throw new BadBundle('malformed', 'this is no bundle, or one of another version');
  const end = start.indexOf(0x0a, BUNDLE_MAGIC.length);
  if (end < 0 || end - BUNDLE_MAGIC.length > HEADER_BYTES_MAX) throw new BadBundle('malformed', 'it has no header');
  let value: unknown;
  try {
    value = JSON.parse(start.toString('utf8', BUNDLE_MAGIC.length, end));
  } catch {
    throw new BadBundle('malformed', 'its header is not JSON');
  }
  const parsed = bundleHeaderSchema.safeParse(value);
  if (!parsed.success) throw new BadBundle('malformed', `header: ${parsed.error.issues[0]?.message}`);
  return { header: parsed.data, preamble: Buffer.from(start.subarray(0, end + 1)) };
}

/** What the sender signs: never mistaken for a head, a certificate or a token's proof. */
export function signedMessage(sha256: Buffer): Buffer {
  return Buffer.from(`branchline-bundle-signature-1\n${sha256.toString('hex')}`, 'utf8');
}

/** @param signingKey raw Ed25519 public key of the sender, as the receiver holds it */
export function bundleIsSigned(sha256: Buffer, signature: Buffer, signingKey: string): boolean {
  return verify(null, signedMessage(sha256), ed25519PublicKey(signingKey), signature);
}

export const newBundleHash = () => createHash('sha256');

/** Where the chunks of a file lie. @throws BadBundle when it is too short to have any */
export function chunksOf(
  fileBytes: number,
  preambleBytes: number,
): { start: number; bytes: number; count: number; plainBytes: number } {
  const bytes = fileBytes - preambleBytes - SIGNATURE_BYTES;
  const sealed = BUNDLE_CHUNK_BYTES + TAG_BYTES;
  const count = Math.ceil(bytes / sealed);
  if (bytes < TAG_BYTES || bytes - (count - 1) * sealed < TAG_BYTES)
    throw new BadBundle('malformed', 'it was cut short');
  return { start: preambleBytes, bytes, count, plainBytes: bytes - count * TAG_BYTES };
}
