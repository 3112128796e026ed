import { decodeLine } from '@branchline/replication/line.js';
import type { ProtocolRange } from '@branchline/replication/protocol.js';
import { readHead, readLines } from '../store/journal.js';
import { DamagedLine } from '../store/line-storage.js';
import type { ReadTx } from '../store/tx.js';
import { readCursors } from './feed-cursors.js';
import { linesBehind } from './history-due.js';
import { lastAcknowledgedAt, queueLength, readStreams, streamToPush, type Stream } from './push-state.js';
import type { LineFigures, Standing } from './replicator.js';

export type SyncStatus = {
  incarnation: string | null;
  epoch: number | null;
  lastSeq: number;
  appliedSeq: number;
  headHash: string | null;
  queue: number;
  oldestQueuedAt: string | null;
  line: 'up' | 'down';
  lastContactAt: string | null;
  nextAttemptAt: string | null;
  attempts: number;
  /** `on`: what is new at the hub comes at once and not with the next poll. */
  nudges: 'on' | 'off';
  standing: Standing;
  /** Why it is not `enrolled`, for people: what is to be done. */
  standingReason: string | null;
  /** Ranges, both ends included. `hub`: as heard last; null: not since the start. */
  protocol: { spoken: ProtocolRange; hub: ProtocolRange | null; now: number };
  /** Lines of this store that head office has and this box lacks; they are being fetched. */
  behind: number;
  cursors: { scope: string; hubEpoch: string | null; number: number; hash: string }[];
};

export function syncStatus(tx: ReadTx, figures: LineFigures): SyncStatus {
  const head = readHead(tx);
  const streams = readStreams(tx);
  const ofHead = streams.find(({ incarnationNo }) => incarnationNo === head?.incarnationNo);
  const lastContactAtMs = figures.lastContactAtMs ?? lastAcknowledgedAt(tx);
  return {
    incarnation: head?.incarnation ?? null,
    epoch: head?.epoch ?? null,
    lastSeq: head?.seq ?? 0,
    appliedSeq: ofHead?.appliedSeq ?? 0,
    headHash: head?.hash ?? null,
    queue: queueLength(streams),
    oldestQueuedAt: isoOrNull(oldestQueuedAtMs(tx, streams)),
    line: figures.line,
    lastContactAt: isoOrNull(lastContactAtMs),
    nextAttemptAt: isoOrNull(figures.nextAttemptAtMs),
    attempts: figures.attempts,
    nudges: figures.nudges,
    standing: figures.standing,
    standingReason: figures.standingReason,
    protocol: figures.protocol,
    behind: linesBehind(tx),
    cursors: readCursors(tx).map(({ scope, hubEpoch, number, hash }) => ({ scope, hubEpoch, number, hash })),
  };
}

export type QueuedLine = { incarnation: string; seq: number; kind: string; key: string; at: string; bytes: number };
type QueuePlace = { incarnationNo: number; seq: number };

/** Lines the hub does not have, in the order they will go. @returns one more than `limit` where there are more */
export function queuedLines(tx: ReadTx, limit: number, after: QueuePlace | null): (QueuedLine & QueuePlace)[] {
  const found: (QueuedLine & QueuePlace)[] = [];
  for (const { incarnationNo, incarnation, appliedSeq } of readStreams(tx)) {
    if (after !== null && incarnationNo < after.incarnationNo) continue;
    const shown = after !== null && incarnationNo === after.incarnationNo ? after.seq : 0;
    const lines = readLines(
      tx,
      incarnationNo,
      Math.max(appliedSeq, shown) + 1,
      limit + 1 - found.length,
      QUEUE_BYTES_MAX,
    );
    for (const { seq, line } of lines) {
      const { kind, key, at } = decodeLine(line);
      found.push({ incarnationNo, incarnation, seq, kind, key, at: new Date(at).toISOString(), bytes: line.length });
    }
    if (found.length > limit) break;
  }
  return found;
}

/** A page of the largest allowed size in lines of the usual one; longer lines make shorter pages. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;

/** Null also of a damaged line: the store sells on, and must say that it is ready; the push tells what is wrong. */
export function oldestQueuedAtMs(tx: ReadTx, streams: readonly Stream[]): number | null {
  const stream = streamToPush(streams);
  if (stream === null) return null;
  try {
    const [oldest] = readLines(tx, stream.incarnationNo, stream.appliedSeq + 1, 1, 0);
    return oldest === undefined ? null : decodeLine(oldest.line).at;
  } catch (error) {
    if (error instanceof DamagedLine) return null;
    throw error;
  }
}

export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
