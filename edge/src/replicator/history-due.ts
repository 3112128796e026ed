import { goOnIfComplete, markIncarnationDue } from '../store/incarnation.js';
import { readHead } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { tellLines } from './lines-told.js';
import { readHistories } from './push-state.js';
import type { SyncLogEntry } from './sync-log.js';

/**
 * A history of which the hub has more than this file. `lastSeq`: how much was here when the hub was asked. `signingKey`:
 * of its box, certified; null: nobody vouches for it, so that it is not fetched.
 */
export type Lacking = {
  incarnation: string;
  box: string;
  epoch: number;
  lastSeq: number;
  hubSeq: number;
  hubHash: string;
  signingKey: string | null;
};

/** What is to be fetched, and up to where. */
export type HistoryDue = {
  incarnationNo: number;
  incarnation: string;
  lastSeq: number;
  hubSeq: number;
  signingKey: string;
};

/** The oldest epoch first: what a later one builds on is mostly there then. */
export function readHistoriesDue(tx: ReadTx): HistoryDue[] {
  return tx.all<HistoryDue>(
    `SELECT d.incarnation_no AS incarnationNo, i.id AS incarnation, d.hub_seq AS hubSeq, d.signing_key AS signingKey,
            (SELECT coalesce(max(seq), 0) FROM journal j WHERE j.incarnation_no = i.no) AS lastSeq
     FROM history_due d JOIN incarnation i ON i.no = d.incarnation_no ORDER BY i.epoch, i.no`,
  );
}

/** Lines that the hub has of this branch and this file has not. */
export function linesBehind(tx: ReadTx): number {
  return readHistoriesDue(tx).reduce((sum, { hubSeq, lastSeq }) => sum + Math.max(hubSeq - lastSeq, 0), 0);
}

/** What was noted before and is not said again is here by now, or is gone at the hub. */
export function noteLacking(tx: Tx, lacking: readonly Lacking[], nowMs: number): void {
  tx.run('DELETE FROM history_due');
  for (const each of lacking) noteOne(tx, each, nowMs);
  goOnIfComplete(tx);
}

function noteOne(tx: Tx, { incarnation, box, epoch, ...hub }: Lacking, nowMs: number): void {
  const known = readHistories(tx).find((each) => each.incarnation === incarnation);
  // Written to while the hub was asked: the next hello finds that they differ.
  if (known !== undefined && known.lastSeq !== hub.lastSeq) return;
  const head = readHead(tx);
  if (known !== undefined && known.incarnationNo === head?.incarnationNo) {
    const missing = { incarnation, seq: hub.hubSeq, hash: hub.hubHash };
    markIncarnationDue(tx, { reason: 'hub-ahead', epochAbove: head.epoch, missing });
  }
  if (hub.signingKey === null) return;
  const incarnationNo =
    known?.incarnationNo ??
    Number(
      tx.run('INSERT INTO incarnation (id, box, epoch, opened_at) VALUES (?, ?, ?, ?)', incarnation, box, epoch, nowMs)
        .lastInsertRowid,
    );
  tx.run(
    'INSERT INTO history_due (incarnation_no, hub_seq, hub_hash, signing_key) VALUES (?, ?, ?, ?)',
    incarnationNo,
    hub.hubSeq,
    hub.hubHash,
    hub.signingKey,
  );
}

/** Of one history, whether all that was due of it has come or the line was cut. @returns what people were told */
export const historyTaken: LocalWrite<{ incarnationNo: number }, SyncLogEntry[]> = {
  name: 'history-taken',
  run(tx, { incarnationNo }, { clock }) {
    tx.run(
      `DELETE FROM history_due WHERE incarnation_no = ?
         AND hub_seq <= (SELECT coalesce(max(seq), 0) FROM journal j WHERE j.incarnation_no = history_due.incarnation_no)`,
      incarnationNo,
    );
    return tellLines(tx, clock.now(), goOnIfComplete(tx) ? [GOES_ON] : []);
  },
};

const GOES_ON: SyncLogEntry = {
  level: 'info',
  event: 'incarnation-goes-on',
  detail: 'all that anybody had seen of this store is here: its incarnation goes on',
};
