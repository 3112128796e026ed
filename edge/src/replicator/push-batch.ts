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
import type { Stream } from './push-state.js';

/** Packed: a third to a half of the bytes. Plain: what every hub takes, and what any line can be said in. */
export type PushForm = 'packed' | 'plain';

export type PushBatch = {
  incarnationNo: number;
  incarnation: string;
  fromSeq: number;
  lastSeq: number;
  form: PushForm;
  mediaType: string;
  body: Buffer;
};

/** Who signs, and in which protocol it speaks. */
export type Signer = Pick<BoxIdentity, 'tenant' | 'branch' | 'signingKey'> & { protocol: number };

/** What a packed push may come to as NDJSON: its lines are not held, so that it may be more than a plain one. */
const PACKED_BYTES_MAX = 4 * 1024 * 1024;
/** Below it the columns take more than they save. */
const PACKED_LINES_MIN = 3;
/** About 2 ms of reading and packing; sales go in between. */
const LINES_AT_A_TIME = 64;

/** What of a stream is left after a batch; null: nothing that was there when it was looked at. A batch may hold lines written since. */
export function restAfter({ lastSeq }: Pick<PushBatch, 'lastSeq'>, stream: Stream): Stream | null {
  return lastSeq >= stream.lastSeq ? null : { ...stream, appliedSeq: lastSeq };
}

/** The next lines of a stream after what the hub has, under a signed header. @throws DamagedLine when it is the next */
export async function nextBatch(
  tx: ReadTx,
  stream: Stream,
  linesMax: number,
  box: Signer,
  form: PushForm,
): Promise<PushBatch> {
  const isPacked = form === 'packed' && stream.lastSeq - stream.appliedSeq >= PACKED_LINES_MIN;
  const packed = isPacked ? await packedBatch(tx, stream, linesMax, box) : null;
  return packed ?? plainBatch(tx, stream, Math.min(linesMax, PUSH_LINES_FIRST), box);
}

/** Null: these lines cannot be packed. */
async function packedBatch(tx: ReadTx, stream: Stream, linesMax: number, box: Signer): Promise<PushBatch | null> {
  const packer = new LinePacker();
  const take = ({ line }: StoredLine): boolean => packer.add(line);
  const last = await takeLines(tx, stream, { lines: linesMax, bytes: PACKED_BYTES_MAX }, take);
  if (last === null) return null;
  const body = encodePackedPush(headerOf(tx, stream, last, box), packer.finish());
  return { ...placeOf(stream, last), form: 'packed', mediaType: PACKED_PUSH_MEDIA_TYPE, body };
}

async function plainBatch(tx: ReadTx, stream: Stream, linesMax: number, box: Signer): Promise<PushBatch> {
  const lines: Buffer[] = [];
  const take = ({ line }: StoredLine): boolean => lines.push(line) > 0;
  const last = await takeLines(tx, stream, { lines: linesMax, bytes: PUSH_BYTES_FIRST }, take);
  if (last === null) throw new Error('a plain push takes every line');
  const body = encodePush(headerOf(tx, stream, last, box), lines);
  return { ...placeOf(stream, last), form: 'plain', mediaType: PUSH_MEDIA_TYPE, body };
}

/**
 * Hands over the lines after what the hub has, a few at a time.
 * @returns the last of them; null when one was not taken
 */
async function takeLines(
  tx: ReadTx,
  { incarnation, incarnationNo, appliedSeq }: Stream,
  max: { lines: number; bytes: number },
  take: (line: StoredLine) => boolean,
): Promise<StoredLine | null> {
  let last: StoredLine | undefined;
  let bytesLeft = max.bytes;
  let atATime = LINES_AT_A_TIME;
  for (let count = 0; count < max.lines && bytesLeft > 0;) {
    const asked = Math.min(atATime, max.lines - count);
    let lines: StoredLine[];
    try {
      lines = readLines(tx, incarnationNo, appliedSeq + 1 + count, asked, bytesLeft);
    } catch (error) {
      if (!(error instanceof DamagedLine) || (asked === 1 && last === undefined)) throw error;
      // Those before the damaged one do not wait for it; it is told of when it is the next.
      if (asked === 1) break;
      atATime = 1;
      continue;
    }
    for (const line of lines) {
      if (!take(line)) return null;
      bytesLeft -= line.line.length;
      last = line;
    }
    count += lines.length;
    if (lines.length < asked) break;
    await otherWork();
  }
  if (last === undefined) throw new Error(`no line ${appliedSeq + 1} in incarnation ${incarnation}`);
  return last;
}

function placeOf({ incarnation, incarnationNo, appliedSeq }: Stream, { seq }: StoredLine) {
  return { incarnation, incarnationNo, fromSeq: appliedSeq + 1, lastSeq: seq };
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

/** Lines in a push: halved when the hub finds it too large, a tenth of the full size more with each one it takes. */
export function batchAfterRefusal(lines: number): number {
  return Math.max(1, Math.floor(lines / 2));
}

export function batchAfterSuccess(lines: number, linesMax: number): number {
  return Math.min(linesMax, lines + Math.ceil(linesMax / 10));
}
