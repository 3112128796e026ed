import { generateKeyPairSync } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants } from 'node:zlib';
import {
  BUNDLE_BYTES_MAX,
  encodePreamble,
  newBundleHash,
  SIGNATURE_BYTES,
  signedMessage,
  type BundleHeader,
} from './bundle.js';
import { BUNDLE_CHUNK_BYTES, bundleKey, sealChunk, TAG_BYTES } from './bundle-chunks.js';
import { encodeRecord, type BundleRecord } from './bundle-records.js';
import { rawPublicKey } from './head-signature.js';

const compressAsync = promisify(brotliCompress);
/** As a push over the line has it (`hub-client.ts`): better costs time and saves next to nothing. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } };

export const brotli = (bytes: Buffer): Promise<Buffer> => compressAsync(bytes, BROTLI);
export const brotliJson = (value: unknown): Promise<Buffer> => brotli(Buffer.from(JSON.stringify(value), 'utf8'));

export type NewBundle = Omit<BundleHeader, 'ephemeralKey'>;

/**
 * The bytes of a bundle, a chunk at a time; of its records one is in memory. Records that would make it larger than any
 * receiver takes are left for the next: in their order, so that what is there hangs together.
 *
 * @param sign Ed25519 over a message, by the sender's key
 * @param onEnd told before the last bytes how many records are in and whether there would have been more
 */
export async function* writeBundle(
  bundle: NewBundle,
  records: AsyncIterable<BundleRecord>,
  sign: (message: Buffer) => Buffer,
  { bytesMax = BUNDLE_BYTES_MAX, onEnd }: { bytesMax?: number; onEnd?: (end: BundleEnd) => void } = {},
): AsyncGenerator<Buffer, void, undefined> {
  const ephemeral = generateKeyPairSync('x25519');
  const preamble = encodePreamble({ ...bundle, ephemeralKey: rawPublicKey(ephemeral.publicKey) });
  const key = bundleKey(ephemeral.privateKey, bundle.sealedTo, preamble);
  const hash = newBundleHash().update(preamble);
  yield preamble;
  let [no, plainBytes, count, isCut] = [0, 0, 0, false];
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  for await (const record of records) {
    const parts = encodeRecord(record);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    isCut = sealedBytes(preamble.length, plainBytes + bytes) > bytesMax;
    if (isCut) break;
    count += 1;
    plainBytes += bytes;
    waiting.push(...parts);
    waitingBytes += bytes;
    // One chunk at least is kept back: whichever is the last says so.
    if (waitingBytes <= BUNDLE_CHUNK_BYTES) continue;
    const plain = Buffer.concat(waiting);
    let at = 0;
    for (; plain.length - at > BUNDLE_CHUNK_BYTES; at += BUNDLE_CHUNK_BYTES, no += 1) {
      const sealed = sealChunk(key, no, false, plain.subarray(at, at + BUNDLE_CHUNK_BYTES));
      hash.update(sealed);
      yield sealed;
    }
    waiting = [plain.subarray(at)];
    waitingBytes = plain.length - at;
  }
  onEnd?.({ records: count, isCut });
  const last = sealChunk(key, no, true, Buffer.concat(waiting));
  yield last;
  yield sign(signedMessage(hash.update(last).digest()));
}

export type BundleEnd = { records: number; isCut: boolean };

function sealedBytes(preambleBytes: number, plainBytes: number): number {
  const chunks = Math.max(1, Math.ceil(plainBytes / BUNDLE_CHUNK_BYTES));
  return preambleBytes + plainBytes + chunks * TAG_BYTES + SIGNATURE_BYTES;
}
