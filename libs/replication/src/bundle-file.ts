import type { KeyObject } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import {
  BadBundle,
  bundleIsSigned,
  chunksOf,
  decodePreamble,
  newBundleHash,
  PREAMBLE_BYTES_MAX,
  SIGNATURE_BYTES,
  type BundleHeader,
} from './bundle.js';
import { BUNDLE_CHUNK_BYTES, bundleKey, openChunk, TAG_BYTES } from './bundle-chunks.js';
import { RECORD_INFLATED_BYTES_MAX, RecordFinder, type RecordPlace } from './bundle-records.js';
import { rawPublicKey } from './head-signature.js';

const inflate = promisify(brotliDecompress);
const READ_BYTES = 1024 * 1024;
const SEALED_BYTES = BUNDLE_CHUNK_BYTES + TAG_BYTES;

/**
 * A bundle that lies in a file of our own, which nobody changes while it is read. Whoever takes it in reads the header,
 * decides by it whose key must have signed, proves all of it, and only then reads records, in any order: nothing of a
 * bundle has an effect before everything of it was proved. Memory: a piece of the file, or one record.
 */
export class BundleFile {
  private key: Buffer | null = null;

  private constructor(
    private readonly file: FileHandle,
    private readonly fileBytes: number,
    private readonly preamble: Buffer,
    readonly header: BundleHeader,
  ) {}

  /** @throws BadBundle */
  static async open(path: string): Promise<BundleFile> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const start = await readAt(file, 0, Math.min(size, PREAMBLE_BYTES_MAX));
      const { header, preamble } = decodePreamble(start);
      return new BundleFile(file, size, preamble, header);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /**
   * That every byte is the sender's, that the bundle is whole, and that we can read it.
   * @param keys ours to open it; the sender's to prove it, as we hold it (raw, base64url)
   * @returns where its records lie @throws BadBundle
   */
  async prove(keys: { sealingKey: KeyObject; signedBy: string }): Promise<readonly RecordPlace[]> {
    const chunks = chunksOf(this.fileBytes, this.preamble.length);
    await this.proveSignature(keys.signedBy);
    if (this.header.sealedTo !== rawPublicKey(keys.sealingKey))
      throw new BadBundle('sealed-to-another', 'it is sealed to another key than ours');
    this.key = keyOf(keys.sealingKey, this.header, this.preamble);
    const finder = new RecordFinder();
    for (let no = 0; no < chunks.count; no++) finder.add(await this.chunk(no));
    return finder.end();
  }

  /** What a record says, once the bundle is proved. @throws BadBundle when it is not what was compressed */
  async read({ bodyAt, bodyBytes }: RecordPlace): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = bodyAt; at < bodyAt + bodyBytes;) {
      const no = Math.floor(at / BUNDLE_CHUNK_BYTES);
      const chunk = await this.chunk(no);
      const from = at - no * BUNDLE_CHUNK_BYTES;
      const part = chunk.subarray(from, Math.min(chunk.length, from + bodyAt + bodyBytes - at));
      parts.push(part);
      at += part.length;
    }
    return Buffer.concat(parts);
  }

  /** What was compressed into a record's body. @throws BadBundle */
  async readInflated(place: RecordPlace): Promise<Buffer> {
    const body = await this.read(place);
    return asReadable(() => inflate(body, { maxOutputLength: RECORD_INFLATED_BYTES_MAX }));
  }

  /** The JSON that a record's body is. @throws BadBundle */
  async readJson(place: RecordPlace): Promise<unknown> {
    const bytes = await this.readInflated(place);
    return asReadable(() => JSON.parse(bytes.toString('utf8')) as unknown);
  }

  private async proveSignature(signedBy: string): Promise<void> {
    const hash = newBundleHash();
    const signedBytes = this.fileBytes - SIGNATURE_BYTES;
    for (let at = 0; at < signedBytes; at += READ_BYTES)
      hash.update(await readAt(this.file, at, Math.min(READ_BYTES, signedBytes - at)));
    const signature = await readAt(this.file, signedBytes, SIGNATURE_BYTES);
    if (!bundleIsSigned(hash.digest(), signature, signedBy))
      throw new BadBundle('forged', 'it was altered or cut, or who it says did not sign it');
  }

  private async chunk(no: number): Promise<Buffer> {
    const { start, bytes, count } = chunksOf(this.fileBytes, this.preamble.length);
    if (this.key === null || no >= count) throw new Error('a record is read from a bundle that was proved');
    const at = no * SEALED_BYTES;
    const sealed = await readAt(this.file, start + at, Math.min(SEALED_BYTES, bytes - at));
    try {
      return openChunk(this.key, no, no === count - 1, sealed);
    } catch {
      throw new BadBundle('malformed', `its chunk ${no} of ${count} does not open`);
    }
  }
}

async function asReadable<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new BadBundle('malformed', `a record of it cannot be read: ${(error as Error).message}`);
  }
}

function keyOf(sealingKey: KeyObject, { ephemeralKey }: BundleHeader, preamble: Buffer): Buffer {
  try {
    return bundleKey(sealingKey, ephemeralKey, preamble);
  } catch {
    throw new BadBundle('malformed', 'its ephemeral key is no key');
  }
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let read = 0;
  while (read < bytes) {
    const { bytesRead } = await file.read(buffer, read, bytes - read, position + read);
    if (bytesRead === 0) throw new BadBundle('malformed', 'it was cut short');
    read += bytesRead;
  }
  return buffer;
}
