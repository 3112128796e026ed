import { chainHash } from '../chain.js';
import {
  assertLeadsToHead,
  encodeHeader,
  PUSH_DECOMPRESSED_BYTES_MAX,
  splitHeader,
  type PushHeader,
  type ReceivedLine,
} from '../push.js';
import { LineUnpacker } from './unpack-lines.js';

/**
 * A push whose lines a `LinePacker` has packed: the header as in NDJSON, then the columns. What is hashed, signed and
 * archived are the same bytes as ever, made again by whoever takes the push. The number is that of the columns and of the
 * guesses (`guesses.ts`): it changes with them, and a hub goes on taking the two before it, and NDJSON.
 */
export const PACKED_PUSH_MEDIA_TYPE = 'application/vnd.branchline.packed-push.v1';

/** @param packed of `LinePacker.finish` */
export function encodePackedPush(header: PushHeader, packed: Buffer): Buffer {
  return Buffer.concat([encodeHeader(header), packed]);
}

/**
 * Takes a packed push apart, line by line: to make a line again takes twice as long as to find its end, and whoever does it
 * has others to serve in between. Proves, by the last line, that the lines lead from `previousHash` to `headHash`.
 */
export class PackedPush {
  readonly header: PushHeader;
  private readonly unpacker: LineUnpacker;
  private previous: Buffer;
  private taken = 0;

  /** @throws MalformedPush */
  constructor(body: Buffer, bytesMax = PUSH_DECOMPRESSED_BYTES_MAX) {
    const { header, rest } = splitHeader(body);
    this.header = header;
    this.previous = Buffer.from(header.previousHash, 'hex');
    this.unpacker = new LineUnpacker(rest, bytesMax);
  }

  /** @returns null after the last: only then is the push believed @throws MalformedPush */
  next(): ReceivedLine | null {
    if (this.taken === this.header.count) return null;
    const { bytes, value } = this.unpacker.next();
    this.previous = chainHash(this.previous, bytes);
    this.taken += 1;
    if (this.taken === this.header.count) {
      this.unpacker.end();
      assertLeadsToHead(this.header, this.previous);
    }
    return { bytes, value, hash: this.previous };
  }
}
