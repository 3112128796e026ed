import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import { CONTRACT } from '@branchline/replication/line.js';
import { PROTOCOL } from '@branchline/replication/push.js';
import { hashAt } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { readCursors } from './feed-cursors.js';
import { followScopes } from './feed-takes.js';
import { readStreams, storeAcknowledged, type Acknowledged, type Stream } from './push-state.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

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

export type LearntAtHello = {
  /** As they stood when the hub was asked. */
  streams: readonly Stream[];
  acknowledged: readonly Acknowledged[];
  scopes: readonly string[];
  entries: readonly SyncLogEntry[];
  nowMs: number;
};

/** What a hello taught, and what is told of it. */
export const learnHello: LocalWrite<LearntAtHello, void> = {
  name: 'learn-hello',
  run(tx, { streams, acknowledged, scopes, entries, nowMs }) {
    const now = new Map(readStreams(tx).map(({ incarnationNo, appliedSeq }) => [incarnationNo, appliedSeq]));
    for (const learnt of acknowledged) {
      // A push that was acknowledged while hello was under way knows better.
      const before = streams.find(({ incarnationNo }) => incarnationNo === learnt.incarnationNo)?.appliedSeq;
      if (now.get(learnt.incarnationNo) === before) storeAcknowledged(tx, learnt, nowMs);
    }
    writeEntries(tx, nowMs, [...entries, ...followed(tx, scopes)]);
  },
};

function followed(tx: Tx, scopes: readonly string[]): SyncLogEntry[] {
  const { joined, left } = followScopes(tx, scopes);
  const entries: SyncLogEntry[] = [];
  if (joined.length > 0)
    entries.push({ level: 'info', event: 'scope-joined', detail: `now following ${joined.join(', ')}` });
  if (left.length > 0)
    entries.push({ level: 'warning', event: 'scope-left', detail: `no longer following ${left.join(', ')}` });
  return entries;
}

function knownHash(tx: ReadTx, incarnationNo: number, seq: number): string {
  const hash = hashAt(tx, incarnationNo, seq);
  if (hash === null) throw new Error(`no line ${seq} in incarnation ${incarnationNo}`);
  return hash;
}
