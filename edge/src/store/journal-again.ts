import { decodeLine, MalformedLine, type JournalLine } from '@branchline/replication/line.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import { APPLIED, type Applied } from './applied.js';
import type { LinePlace, ReferenceMover } from './command.js';
import { markIncarnationDue, openIncarnationIfDue } from './incarnation.js';
import { hashAt, nextPosition, readHead, storeLine } from './journal.js';
import { unpackLine } from './line-storage.js';
import { soundLine } from './take-lines.js';
import type { Tx } from './tx.js';
import type { WriteContext } from './write-job.js';

export type ForkAt = { incarnationNo: number; commonSeq: number };

/**
 * After a fork: the hub's history and this one of `fork.incarnationNo` part behind `commonSeq`. What this file has beyond
 * is split off as a history of its own, which the hub never sees, and journalled again behind it in a new incarnation (or
 * in the head's, when the forked one is no longer the head, and no history went on from what is split off: one that did
 * names a line which the hub never gets, and the new one says where that was left): same ids, same contentHash, new place. The rows stand already,
 * so the lines are stored `applied = 0` and only move the rows' reference. What is left of the forked incarnation is the
 * start of the hub's: it is pushed to a hub that lost it, and the hub's own lines are fetched behind it.
 *
 * One transaction: half a history told twice would be worse than a till that waits some seconds.
 * @returns how many lines were journalled again
 */
export function journalAgain(tx: Tx, fork: ForkAt, parts: WriteContext): number {
  const nowMs = parts.clock.now();
  const head = readHead(tx);
  const common = {
    incarnation: incarnationId(tx, fork.incarnationNo),
    seq: fork.commonSeq,
    hash: hashAt(tx, fork.incarnationNo, fork.commonSeq) ?? missing(fork),
  };
  if (head !== null && (head.incarnationNo === fork.incarnationNo || wasGoneOnFrom(tx, fork, common.incarnation)))
    markIncarnationDue(tx, { reason: 'fork', epochAbove: head.epoch, missing: null });
  openIncarnationIfDue(tx, parts.box, nowMs, parts.newId, fork.commonSeq === 0 ? null : common);
  const tailNo = splitTail(tx, fork);
  forgetAcknowledged(tx, fork);
  let lines = 0;
  for (const { line, position, isHeld } of linesOf(tx, tailNo)) {
    if (line.kind === 'incarnation-open') continue;
    if (isHeld) appendHeld(tx, line, position);
    else appendAgain(tx, line, parts.moveReference);
    lines += 1;
  }
  return lines;
}

function appendAgain(tx: Tx, line: JournalLine, moveReference: ReferenceMover): void {
  const { again, place } = storeAgain(tx, line, APPLIED.again);
  moveReference(tx, again, place);
}

/** It has no rows yet: when a release comes that can take it, they are to refer to where it stands now. */
function appendHeld(tx: Tx, line: JournalLine, position: number): void {
  storeAgain(tx, line, APPLIED.held);
  tx.run('UPDATE journal SET applied = ? WHERE position = ?', APPLIED.left, position);
}

function storeAgain(tx: Tx, line: JournalLine, applied: Applied): { again: JournalLine; place: LinePlace } {
  const head = readHead(tx);
  if (head === null) throw new Error('no incarnation is open');
  const again: JournalLine = { ...line, seq: head.seq + 1, hlc: nextHlc(head.hlc, line.at) };
  const place = { incarnationNo: head.incarnationNo, seq: again.seq, position: nextPosition(tx) };
  storeLine(tx, again, place, Buffer.from(head.hash, 'hex'), applied);
  return { again, place };
}

/** Whether a history of this file began behind a line of that one which the hub does not have. */
function wasGoneOnFrom(tx: Tx, { incarnationNo, commonSeq }: ForkAt, incarnation: string): boolean {
  // Where nothing of it is common, nothing of it is there to be left.
  if (commonSeq === 0) return false;
  const firsts = tx.all<{ position: number; line: Buffer }>(
    'SELECT position, line FROM journal WHERE seq = 1 AND incarnation_no > ?',
    incarnationNo,
  );
  return firsts.some(({ position, line }) => {
    const { previous } = decodeLine(unpackLine(line, position)).body as IncarnationOpen;
    return previous?.incarnation === incarnation && previous.seq > commonSeq;
  });
}

/** @returns the number under which the tail lies now */
function splitTail(tx: Tx, { incarnationNo, commonSeq }: ForkAt): number {
  const { lastInsertRowid } = tx.run(
    `INSERT INTO incarnation (id, box, epoch, opened_at, forked_from, forked_at)
     SELECT id, box, epoch, opened_at, no, ? FROM incarnation WHERE no = ?`,
    commonSeq,
    incarnationNo,
  );
  tx.run(
    'UPDATE journal SET incarnation_no = ? WHERE incarnation_no = ? AND seq > ?',
    Number(lastInsertRowid),
    incarnationNo,
    commonSeq,
  );
  return Number(lastInsertRowid);
}

type LineToRepeat = { line: JournalLine; position: number; isHeld: boolean };

function linesOf(tx: Tx, incarnationNo: number): LineToRepeat[] {
  return tx
    .all<{ position: number; applied: number; line: Buffer }>(
      'SELECT position, applied, line FROM journal WHERE incarnation_no = ? ORDER BY seq',
      incarnationNo,
    )
    .flatMap(({ position, applied, line }) => {
      const bytes = unpackLine(line, position);
      const isHeld = applied === APPLIED.held;
      return isHeld && !isLine(bytes) ? [] : [{ line: decodeLine(bytes), position, isHeld }];
    });
}

/** What another box signed and nobody can read stays where it is. */
function isLine(bytes: Buffer): boolean {
  try {
    soundLine(bytes);
    return true;
  } catch (error) {
    if (error instanceof MalformedLine) return false;
    throw error;
  }
}

function forgetAcknowledged(tx: Tx, { incarnationNo, commonSeq }: ForkAt): void {
  tx.run(
    'UPDATE push_state SET applied_seq = min(applied_seq, ?), durable_seq = min(durable_seq, ?) WHERE incarnation_no = ?',
    commonSeq,
    commonSeq,
    incarnationNo,
  );
  tx.run('DELETE FROM history_due WHERE incarnation_no = ?', incarnationNo);
}

function incarnationId(tx: Tx, incarnationNo: number): string {
  const row = tx.get<{ id: string }>('SELECT id FROM incarnation WHERE no = ?', incarnationNo);
  if (row === undefined) throw new Error(`no incarnation ${incarnationNo}`);
  return row.id;
}

function missing({ incarnationNo, commonSeq }: ForkAt): never {
  throw new Error(`no line ${commonSeq} in incarnation ${incarnationNo}`);
}
