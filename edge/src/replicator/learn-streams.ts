import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import { CONTRACT } from '@branchline/replication/line.js';
import { PROTOCOL } from '@branchline/replication/push.js';
import type { ReadTx } from '../store/tx.js';
import { hashAt } from '../store/journal.js';
import { readCursors } from './feed-cursors.js';
import type { Acknowledged, Stream } from './push-state.js';

const INCARNATIONS_MAX = 64;

/** What the box says of itself: its incarnations, newest last, its own heads to be compared, its cursors. */
export function helloRequestOf(tx: ReadTx, streams: readonly Stream[], version: string): HelloRequest {
  const named = streams.slice(-INCARNATIONS_MAX);
  return {
    protocol: PROTOCOL,
    version,
    contract: CONTRACT,
    incarnations: named.map(({ incarnationNo, incarnation, lastSeq }) => {
      return { incarnation, seq: lastSeq, hash: knownHash(tx, incarnationNo, lastSeq) };
    }),
    hashesAt: named.map(({ incarnation, lastSeq }) => ({ incarnation, seq: lastSeq })),
    cursors: readCursors(tx).map(({ scope, hubEpoch, number, hash }) => ({ scope, hubEpoch, number, hash })),
  };
}

/**
 * `acknowledged`: the hub's history of it is the start of ours, up to there · `ahead`: it is ours and goes on · `fork`: they
 * differ, `hubSeq` is how far the hub's goes.
 */
export type StreamVerdict =
  | ({ kind: 'acknowledged' } & Acknowledged)
  | ({ kind: 'ahead'; hubSeq: number } & Acknowledged)
  | { kind: 'fork'; stream: Stream; hubSeq: number };

/** Equal hashes prove equal histories; nothing is believed without. A stream the hub does not know begins at 0 again. */
export function judgeStreams(tx: ReadTx, streams: readonly Stream[], answer: HelloAnswer): StreamVerdict[] {
  return streams.slice(-INCARNATIONS_MAX).map((stream): StreamVerdict => {
    const { incarnationNo, incarnation, lastSeq } = stream;
    const known = answer.streams.find((each) => each.incarnation === incarnation);
    if (known === undefined) return { kind: 'acknowledged', incarnationNo, appliedSeq: 0, durableSeq: 0 };
    const { appliedSeq, headHash, durableSeq } = known;
    if (appliedSeq <= lastSeq) {
      const equal = appliedSeq === 0 || hashAt(tx, incarnationNo, appliedSeq) === headHash;
      return equal
        ? { kind: 'acknowledged', incarnationNo, appliedSeq, durableSeq }
        : { kind: 'fork', stream, hubSeq: appliedSeq };
    }
    const atOurHead = answer.hashes.find((each) => each.incarnation === incarnation && each.seq === lastSeq)?.hash;
    return atOurHead === knownHash(tx, incarnationNo, lastSeq)
      ? { kind: 'ahead', incarnationNo, appliedSeq: lastSeq, durableSeq, hubSeq: appliedSeq }
      : { kind: 'fork', stream, hubSeq: appliedSeq };
  });
}

function knownHash(tx: ReadTx, incarnationNo: number, seq: number): string {
  const hash = hashAt(tx, incarnationNo, seq);
  if (hash === null) throw new Error(`no line ${seq} in incarnation ${incarnationNo}`);
  return hash;
}
