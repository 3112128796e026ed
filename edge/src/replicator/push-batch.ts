import { signHead } from '@branchline/replication/head-signature.js';
import { encodePush, PROTOCOL, PUSH_BYTES_FIRST, type PushAnswer } from '@branchline/replication/push.js';
import type { BoxIdentity } from '../store/box.js';
import { hashAt, readLines } from '../store/journal.js';
import type { ReadTx } from '../store/tx.js';
import type { Stream } from './push-state.js';

export type PushBatch = { incarnationNo: number; incarnation: string; fromSeq: number; lastSeq: number; body: Buffer };

type Signer = Pick<BoxIdentity, 'tenant' | 'branch' | 'signingKey'>;

/** The next lines of a stream after what the hub has, under a signed header. */
export function nextBatch(tx: ReadTx, stream: Stream, linesMax: number, box: Signer): PushBatch {
  const { incarnation, incarnationNo } = stream;
  const fromSeq = stream.appliedSeq + 1;
  const lines = readLines(tx, incarnationNo, fromSeq, linesMax, PUSH_BYTES_FIRST);
  const last = lines.at(-1);
  const previousHash = hashAt(tx, incarnationNo, fromSeq - 1);
  if (last === undefined || previousHash === null)
    throw new Error(`no line ${fromSeq} in incarnation ${incarnationNo}`);
  const headHash = last.hash.toString('hex');
  const head = { tenant: box.tenant, branch: box.branch, incarnation, seq: last.seq, hash: headHash };
  const signature = signHead(head, box.signingKey);
  const header = { protocol: PROTOCOL, incarnation, fromSeq, count: lines.length, previousHash, headHash, signature };
  const body = encodePush(
    header,
    lines.map(({ line }) => line),
  );
  return { incarnationNo, incarnation, fromSeq, lastSeq: last.seq, body };
}

export type PushVerdict =
  | { kind: 'advanced'; appliedSeq: number; durableSeq: number }
  /** The hub took none of it, or speaks of lines that are not these: hello says where it stands. */
  | { kind: 'unclear' };

/**
 * What an answer proves. Only what was sent can be acknowledged by it, and only where the hub's hash is ours.
 * @param hashOf our chain hash after a line of the batch's incarnation; null where there is none
 */
export function judgeAnswer(batch: PushBatch, answer: PushAnswer, hashOf: (seq: number) => string | null): PushVerdict {
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
