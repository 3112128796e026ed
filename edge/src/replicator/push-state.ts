import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

/** One incarnation of this file and how far the hub has it. `lastSeq`: its last line here. */
export type Stream = { incarnationNo: number; incarnation: string; lastSeq: number; appliedSeq: number };

const STREAMS_SQL = `
  SELECT i.no AS incarnationNo, i.id AS incarnation, coalesce(p.applied_seq, 0) AS appliedSeq,
         (SELECT coalesce(max(seq), 0) FROM journal j WHERE j.incarnation_no = i.no) AS lastSeq
  FROM incarnation i LEFT JOIN push_state p ON p.incarnation_no = i.no
  WHERE coalesce(p.ended, 0) = 0 ORDER BY i.no`;

/** Oldest first, without those that a fork has ended: their lines stand again in a later one. */
export function readStreams(tx: ReadTx): Stream[] {
  return tx.all<Stream>(STREAMS_SQL);
}

/** The oldest with lines that the hub does not have: what came first is pushed first. */
export function streamToPush(streams: readonly Stream[]): Stream | null {
  return streams.find(({ appliedSeq, lastSeq }) => appliedSeq < lastSeq) ?? null;
}

/** Lines not acknowledged, over all incarnations not ended. */
export function queueLength(streams: readonly Stream[]): number {
  return streams.reduce((sum, { appliedSeq, lastSeq }) => sum + Math.max(lastSeq - appliedSeq, 0), 0);
}

export type Acknowledged = { incarnationNo: number; appliedSeq: number; durableSeq: number };

/** What the hub says it has, no more: it moves back, too, when the hub was restored. An ended incarnation stays as it is. */
export function storeAcknowledged(
  tx: Tx,
  { incarnationNo, appliedSeq, durableSeq }: Acknowledged,
  nowMs: number,
): void {
  tx.run(
    `INSERT INTO push_state (incarnation_no, applied_seq, durable_seq, acknowledged_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (incarnation_no) DO UPDATE SET applied_seq = excluded.applied_seq, durable_seq = excluded.durable_seq,
       acknowledged_at = excluded.acknowledged_at WHERE ended = 0`,
    incarnationNo,
    appliedSeq,
    Math.min(durableSeq, appliedSeq),
    nowMs,
  );
}

/** What the hub answered to a push, and what it is told by. */
export const acknowledge: LocalWrite<{ acknowledged: Acknowledged; entries: readonly SyncLogEntry[] }, void> = {
  name: 'acknowledge',
  run(tx, { acknowledged, entries }, { clock }) {
    storeAcknowledged(tx, acknowledged, clock.now());
    writeEntries(tx, clock.now(), entries);
  },
};

export function lastAcknowledgedAt(tx: ReadTx): number | null {
  return tx.get<{ at: number | null }>('SELECT max(acknowledged_at) AS at FROM push_state')?.at ?? null;
}
