import { promisify } from 'node:util';
import { brotliCompress, brotliDecompress, constants, type BrotliOptions } from 'node:zlib';
import { PUSH_DECOMPRESSED_BYTES_MAX, type ReceivedLine } from '@branchline/replication/push.js';
import { toOtherWork, type GiveWay } from '../database/give-way.js';

/**
 * How lines lie in the archive: those that came together, compressed as one. A row for each line, of 2.6 kB that PostgreSQL
 * compressed one by one, was the dearest of all that ingest stores; together a 5-line sale takes 0.4 kB.
 *
 * `body` is brotli over the lines' own bytes, each ended by a newline, which no line holds. `hashes` are the chain's, 32
 * bytes for each line: a hash is asked for without its bytes, and one flipped bit is named by its line.
 */
export type JournalChunk = {
  firstSeq: number;
  lastSeq: number;
  hashes: Buffer;
  /** Of the body before it was compressed. */
  bodyBytes: number;
  body: Buffer;
};

/** What lies there is not what was put there. */
export class DamagedChunk extends Error {
  override readonly name = 'DamagedChunk';
}

export const HASH_BYTES = 32;
/** To read one line is to read its chunk: under a millisecond. Larger ones compress little better. A longer line lies alone. */
const CHUNK_BYTES_MAX = 256 * 1024;
export const CHUNK_LINES_MAX = 500;
const NEWLINE = 0x0a;

const compress = promisify(brotliCompress);
type Decompressed = { buffer: Buffer; engine: { bytesWritten: number } };
/** Also tells how much of the body it is: Node passes over what lies behind the end. */
const decompress = promisify(brotliDecompress) as unknown as (
  body: Buffer,
  options: BrotliOptions & { info: true },
) => Promise<Decompressed>;
/** The window reaches over a whole chunk. Of the qualities the one that takes 6 µs for a 5-line sale; deflate took 12 for more bytes. */
const BROTLI = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 18 },
  // Each piece that comes out is a turn of two threads: one is enough.
  chunkSize: 128 * 1024,
};
const INFLATED_PIECE_BYTES_MAX = 1024 * 1024;

/** @param lines in their order, with the hashes to which they lead */
export async function packLines(
  lines: readonly ReceivedLine[],
  firstSeq: number,
  giveWay: GiveWay = toOtherWork,
): Promise<JournalChunk[]> {
  // One after the other: the threads that compress are few, and the next push's one chunk stands behind all that wait.
  const chunks: JournalChunk[] = [];
  let from = 0;
  let bodyBytes = 0;
  for (const [at, { bytes }] of lines.entries()) {
    const isFull = at - from === CHUNK_LINES_MAX || bodyBytes + bytes.length + 1 > CHUNK_BYTES_MAX;
    if (at > from && isFull) {
      chunks.push(await packChunk(lines.slice(from, at), firstSeq + from, bodyBytes));
      await giveWay();
      from = at;
      bodyBytes = 0;
    }
    bodyBytes += bytes.length + 1;
  }
  if (lines.length > 0) chunks.push(await packChunk(lines.slice(from), firstSeq + from, bodyBytes));
  return chunks;
}

async function packChunk(lines: readonly ReceivedLine[], firstSeq: number, bodyBytes: number): Promise<JournalChunk> {
  const text = Buffer.allocUnsafe(bodyBytes);
  let at = 0;
  for (const { bytes } of lines) {
    at += bytes.copy(text, at);
    at = text.writeUInt8(NEWLINE, at);
  }
  const hashes = Buffer.concat(lines.map(({ hash }) => hash));
  return { firstSeq, lastSeq: firstSeq + lines.length - 1, hashes, bodyBytes, body: await compress(text, BROTLI) };
}

export type ChunkLine = ReceivedLine & { seq: number };

/** The lines as they came. That they lead to their hashes is for the caller to prove. @throws DamagedChunk */
export async function unpackChunk({ firstSeq, lastSeq, hashes, bodyBytes, body }: JournalChunk): Promise<ChunkLine[]> {
  const count = lastSeq - firstSeq + 1;
  if (hashes.length !== count * HASH_BYTES)
    throw new DamagedChunk(`${hashes.length} bytes of hashes for ${count} lines`);
  const text = await decompressed(body, bodyBytes);
  const lines: ChunkLine[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(NEWLINE, at);
    if (end < 0) throw new DamagedChunk('the last line has no end');
    const nth = lines.length;
    const hash = hashes.subarray(nth * HASH_BYTES, (nth + 1) * HASH_BYTES);
    lines.push({ seq: firstSeq + nth, bytes: text.subarray(at, end), hash });
    at = end + 1;
  }
  if (lines.length !== count) throw new DamagedChunk(`${lines.length} lines where ${count} are told`);
  return lines;
}

async function decompressed(body: Buffer, bodyBytes: number): Promise<Buffer> {
  // No push was larger: what says so is damaged, and costs no memory.
  if (bodyBytes < 1 || bodyBytes > PUSH_DECOMPRESSED_BYTES_MAX) throw new DamagedChunk(`${bodyBytes} bytes are told`);
  let text: Buffer;
  try {
    const chunkSize = Math.min(Math.max(bodyBytes, constants.Z_MIN_CHUNK), INFLATED_PIECE_BYTES_MAX);
    const { buffer, engine } = await decompress(body, { maxOutputLength: bodyBytes, chunkSize, info: true });
    if (engine.bytesWritten !== body.length)
      throw new Error(`${body.length - engine.bytesWritten} bytes behind its end`);
    text = buffer;
  } catch (error) {
    throw new DamagedChunk((error as Error).message);
  }
  if (text.length !== bodyBytes) throw new DamagedChunk(`${text.length} bytes where ${bodyBytes} are told`);
  return text;
}
