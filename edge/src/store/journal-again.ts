import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { ReferenceMover } from './command.js';
import { markIncarnationDue, openIncarnationIfDue } from './incarnation.js';
import { hashAt, nextPosition, readHead, storeLine } from './journal.js';
import { unpackLine } from './line-storage.js';
import type { Tx } from './tx.js';
import type { LocalWrite, WriteContext } from './write-job.js';

export type ForkAt = { incarnationNo: number; commonSeq: number };

/**
 * After a fork: the hub's history and this one of `fork.incarnationNo` part behind `commonSeq`. What this file wrote
 * since is journalled again behind it, in a new incarnation (or in the head's, when the forked one is no longer the head):
 * same ids, same contentHash, new place. The rows stand already, so the lines are stored `applied = 0` and only move the
 * rows' reference. The forked incarnation is ended at the common line and never pushed again.
 * One transaction: half a history told twice would be worse than a till that waits some seconds.
 * @returns how many lines were journalled again
 */
export const journalAgain: LocalWrite<ForkAt, number> = {
  name: 'journal-again',
  run: (tx, fork, context) => linesAgain(tx, fork, context),
};

function linesAgain(tx: Tx, fork: ForkAt, parts: WriteContext): number {
  const nowMs = parts.clock.now();
  const head = readHead(tx);
  if (head === null) throw new Error('a fork of an empty journal');
  const common = {
    incarnation: incarnationId(tx, fork.incarnationNo),
    seq: fork.commonSeq,
    hash: hashAt(tx, fork.incarnationNo, fork.commonSeq) ?? missing(fork),
  };
  if (head.incarnationNo === fork.incarnationNo) markIncarnationDue(tx, 'fork', head.epoch);
  openIncarnationIfDue(tx, parts.box, nowMs, parts.newId, fork.commonSeq === 0 ? null : common);
  endIncarnation(tx, fork, nowMs);
  let lines = 0;
  for (const line of linesAfter(tx, fork)) {
    if (line.kind === 'incarnation-open') continue;
    appendAgain(tx, line, parts.moveReference);
    lines += 1;
  }
  return lines;
}

function appendAgain(tx: Tx, line: JournalLine, moveReference: ReferenceMover): void {
  const head = readHead(tx);
  if (head === null) throw new Error('no incarnation is open');
  const again: JournalLine = { ...line, seq: head.seq + 1, hlc: nextHlc(head.hlc, line.at) };
  const place = { incarnationNo: head.incarnationNo, seq: again.seq, position: nextPosition(tx) };
  storeLine(tx, again, place, Buffer.from(head.hash, 'hex'), false);
  moveReference(tx, again, place);
}

function linesAfter(tx: Tx, { incarnationNo, commonSeq }: ForkAt): JournalLine[] {
  return tx
    .all<{ position: number; line: Buffer }>(
      'SELECT position, line FROM journal WHERE incarnation_no = ? AND seq > ? ORDER BY seq',
      incarnationNo,
      commonSeq,
    )
    .map(({ position, line }) => decodeLine(unpackLine(line, position)));
}

function endIncarnation(tx: Tx, { incarnationNo, commonSeq }: ForkAt, nowMs: number): void {
  tx.run(
    `INSERT INTO push_state (incarnation_no, applied_seq, durable_seq, acknowledged_at, ended) VALUES (?, ?, 0, ?, 1)
     ON CONFLICT (incarnation_no) DO UPDATE SET applied_seq = excluded.applied_seq, ended = 1`,
    incarnationNo,
    commonSeq,
    nowMs,
  );
}

function incarnationId(tx: Tx, incarnationNo: number): string {
  const row = tx.get<{ id: string }>('SELECT id FROM incarnation WHERE no = ?', incarnationNo);
  if (row === undefined) throw new Error(`no incarnation ${incarnationNo}`);
  return row.id;
}

function missing({ incarnationNo, commonSeq }: ForkAt): never {
  throw new Error(`no line ${commonSeq} in incarnation ${incarnationNo}`);
}
