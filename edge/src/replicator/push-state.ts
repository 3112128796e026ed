import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

/** One history of the branch and how far the hub has it. `lastSeq`: its last line here. */
export type Stream = {
  incarnationNo: number;
  incarnation: string;
  box: string;
  lastSeq: number;
  appliedSeq: number;
};

const HISTORIES = `
  SELECT i.no AS incarnationNo, i.id AS incarnation, i.box, coalesce(p.applied_seq, 0) AS appliedSeq,
         (SELECT coalesce(max(seq), 0) FROM journal j WHERE j.incarnation_no = i.no) AS lastSeq
  FROM incarnation i LEFT JOIN push_state p ON p.incarnation_no = i.no
  WHERE i.forked_from IS NULL`;

const OWN_BOX = '(SELECT own.box FROM journal_head h JOIN incarnation own ON own.no = h.incarnation_no)';

/** Of this box and of others of the branch, in the order in which they came here; what a fork split off is none. */
export function readHistories(tx: ReadTx): Stream[] {
  return tx.all<Stream>(`${HISTORIES} ORDER BY i.no`);
}

/** Those that this box writes and pushes, oldest first. */
export function readStreams(tx: ReadTx): Stream[] {
  return tx.all<Stream>(`${HISTORIES} AND i.box = ${OWN_BOX} ORDER BY i.no`);
}

/** The oldest with lines that the hub does not have: what came first is pushed first. */
export function streamToPush(streams: readonly Stream[]): Stream | null {
  return streams.find(({ appliedSeq, lastSeq }) => appliedSeq < lastSeq) ?? null;
}

/** Lines not acknowledged, over all of them. */
export function queueLength(streams: readonly Stream[]): number {
  return streams.reduce((sum, { appliedSeq, lastSeq }) => sum + Math.max(lastSeq - appliedSeq, 0), 0);
}

export type Acknowledged = { incarnationNo: number; appliedSeq: number; durableSeq: number };

/** What the hub says it has, no more: it moves back, too, when the hub was restored. */
export function storeAcknowledged(
  tx: Tx,
  { incarnationNo, appliedSeq, durableSeq }: Acknowledged,
  nowMs: number,
): void {
  tx.run(
    `INSERT INTO push_state (incarnation_no, applied_seq, durable_seq, acknowledged_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (incarnation_no) DO UPDATE SET applied_seq = excluded.applied_seq, durable_seq = excluded.durable_seq,
       acknowledged_at = excluded.acknowledged_at`,
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
