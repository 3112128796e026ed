import { setImmediate as otherWork } from 'node:timers/promises';
import { signHead } from '@branchline/replication/head-signature.js';
import { LinePacker } from '@branchline/replication/packed/pack-lines.js';
import { encodePackedPush, PACKED_PUSH_MEDIA_TYPE } from '@branchline/replication/packed/packed-push.js';
import {
  encodePush,
  PUSH_BYTES_FIRST,
  PUSH_LINES_FIRST,
  PUSH_MEDIA_TYPE,
  type PushAnswer,
  type PushHeader,
} from '@branchline/replication/push.js';
import type { BoxIdentity } from '../store/box.js';
import { hashAt, readLines, type StoredLine } from '../store/journal.js';
import { DamagedLine } from '../store/line-storage.js';
import type { ReadTx } from '../store/tx.js';
import type { PushSize } from './push-pace.js';
import type { Stream } from './push-state.js';

/** Packed: a third to a half of the bytes. Plain: what every hub takes, and what any line can be said in. */
export type PushForm = 'packed' | 'plain';

export type PushBatch = {
  incarnationNo: number;
  incarnation: string;
  fromSeq: number;
  lastSeq: number;
  /** Of its lines, before they were packed. */
  lineBytes: number;
  form: PushForm;
  mediaType: string;
  body: Buffer;
};

/** As it goes over the line. */
export type ReadyPush = Omit<PushBatch, 'body'> & { compressed: Buffer };

/** Who signs, and in which protocol it speaks. */
export type Signer = Pick<BoxIdentity, 'tenant' | 'branch' | 'signingKey'> & { protocol: number };

/** The lines of a plain push are held, those of a packed one are not: the plain one stays as small as the first. */
const PLAIN_SIZE_MAX: PushSize = { lines: PUSH_LINES_FIRST, bytes: PUSH_BYTES_FIRST };
/** Below it the columns take more than they save. */
const PACKED_LINES_MIN = 3;
/** About 2 ms of reading and packing sales, and no more of the longest lines; sales go in between. */
const AT_A_TIME: PushSize = { lines: 64, bytes: 192 * 1024 };

/** What of a stream is left after a batch; null: nothing that was there when it was looked at. A batch may hold lines written since. */
export function restAfter({ lastSeq }: Pick<PushBatch, 'lastSeq'>, stream: Stream): Stream | null {
  return lastSeq >= stream.lastSeq ? null : { ...stream, appliedSeq: lastSeq };
}

/** The next lines of a stream after what the hub has, under a signed header. @throws DamagedLine when it is the next */
export async function nextBatch(
  tx: ReadTx,
  stream: Stream,
  max: PushSize,
  box: Signer,
  form: PushForm,
): Promise<PushBatch> {
  const isPacked = form === 'packed' && stream.lastSeq - stream.appliedSeq >= PACKED_LINES_MIN;
  const packed = isPacked ? await packedBatch(tx, stream, max, box) : null;
  return packed ?? plainBatch(tx, stream, max, box);
}

/** Null: these lines cannot be packed. */
async function packedBatch(tx: ReadTx, stream: Stream, max: PushSize, box: Signer): Promise<PushBatch | null> {
  const packer = new LinePacker();
  const taken = await takeLines(tx, stream, max, ({ line }) => packer.add(line));
  if (taken === null) return null;
  const body = encodePackedPush(headerOf(tx, stream, taken.last, box), packer.finish());
  return { ...placeOf(stream, taken), form: 'packed', mediaType: PACKED_PUSH_MEDIA_TYPE, body };
}

async function plainBatch(tx: ReadTx, stream: Stream, { lines, bytes }: PushSize, box: Signer): Promise<PushBatch> {
  const held: Buffer[] = [];
  const max = { lines: Math.min(lines, PLAIN_SIZE_MAX.lines), bytes: Math.min(bytes, PLAIN_SIZE_MAX.bytes) };
  const taken = await takeLines(tx, stream, max, ({ line }) => held.push(line) > 0);
  if (taken === null) throw new Error('a plain push takes every line');
  const body = encodePush(headerOf(tx, stream, taken.last, box), held);
  return { ...placeOf(stream, taken), form: 'plain', mediaType: PUSH_MEDIA_TYPE, body };
}

type Taken = { last: StoredLine; lineBytes: number };

/**
 * Hands over the lines after what the hub has, a few at a time: as many as fit both bounds, but at least one.
 * @returns null when one was not taken
 */
async function takeLines(
  tx: ReadTx,
  { incarnation, incarnationNo, appliedSeq }: Stream,
  max: PushSize,
  take: (line: StoredLine) => boolean,
): Promise<Taken | null> {
  let last: StoredLine | undefined;
  let lineBytes = 0;
  let atATime = AT_A_TIME.lines;
  for (let count = 0; count < max.lines;) {
    const asked = Math.min(atATime, max.lines - count);
    let lines: StoredLine[];
    try {
      lines = readLines(tx, incarnationNo, appliedSeq + 1 + count, asked, AT_A_TIME.bytes);
    } catch (error) {
      if (!(error instanceof DamagedLine) || (asked === 1 && last === undefined)) throw error;
      // Those before the damaged one do not wait for it; it is told of when it is the next.
      if (asked === 1) break;
      atATime = 1;
      continue;
    }
    for (const line of lines) {
      if (last !== undefined && lineBytes + line.line.length > max.bytes) return { last, lineBytes };
      if (!take(line)) return null;
      lineBytes += line.line.length;
      last = line;
    }
    if (lines.length === 0) break;
    count += lines.length;
    await otherWork();
  }
  if (last === undefined) throw new Error(`no line ${appliedSeq + 1} in incarnation ${incarnation}`);
  return { last, lineBytes };
}

function placeOf({ incarnation, incarnationNo, appliedSeq }: Stream, { last, lineBytes }: Taken) {
  return { incarnation, incarnationNo, fromSeq: appliedSeq + 1, lastSeq: last.seq, lineBytes };
}

function headerOf(
  tx: ReadTx,
  { incarnation, incarnationNo, appliedSeq }: Stream,
  last: StoredLine,
  box: Signer,
): PushHeader {
  const previousHash = hashAt(tx, incarnationNo, appliedSeq);
  if (previousHash === null) throw new Error(`no line ${appliedSeq} in incarnation ${incarnation}`);
  const headHash = last.hash.toString('hex');
  const head = { tenant: box.tenant, branch: box.branch, incarnation, seq: last.seq, hash: headHash };
  const signature = signHead(head, box.signingKey);
  const count = last.seq - appliedSeq;
  const { protocol } = box;
  return { protocol, incarnation, fromSeq: appliedSeq + 1, count, previousHash, headHash, signature };
}

export type PushVerdict =
  | { kind: 'advanced'; appliedSeq: number; durableSeq: number }
  /** The hub took none of it, or speaks of lines that are not these: hello says where it stands. */
  | { kind: 'unclear' };

/**
 * What an answer proves. Only what was sent can be acknowledged by it, and only where the hub's hash is ours.
 * @param hashOf our chain hash after a line of the batch's incarnation; null where there is none
 */
export function judgeAnswer(
  batch: Pick<PushBatch, 'fromSeq' | 'lastSeq'>,
  answer: PushAnswer,
  hashOf: (seq: number) => string | null,
): PushVerdict {
  const { appliedSeq, headHash, durableSeq } = answer;
  if (appliedSeq < batch.fromSeq || appliedSeq > batch.lastSeq) return { kind: 'unclear' };
  if (hashOf(appliedSeq) !== headHash) return { kind: 'unclear' };
  return { kind: 'advanced', appliedSeq, durableSeq };
}

export function sizeOf({
  fromSeq,
  lastSeq,
  lineBytes,
}: Pick<PushBatch, 'fromSeq' | 'lastSeq' | 'lineBytes'>): PushSize {
  return { lines: lastSeq - fromSeq + 1, bytes: lineBytes };
}
