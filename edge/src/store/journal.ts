import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { contractOfLine, upcastLine } from '@branchline/replication/contracts.js';
import { nextHlc } from '@branchline/replication/hlc.js';
import type { JournalKind } from '@branchline/replication/kinds/registry.js';
import { decodeLine, encodeLine, LINE_BYTES_MAX, type JournalLine } from '@branchline/replication/line.js';
import { problem } from '@branchline/http/problem.js';
import { APPLIED, type Applied } from './applied.js';
import type { Applier, Appliers, DraftLine, JournalRef, LinePlace } from './command.js';
import { packLine, unpackLine } from './line-storage.js';
import type { ReadTx, Tx } from './tx.js';

/** The end of the journal. `due`: why nothing more may be written to this incarnation; null: go on. */
export type Head = {
  incarnationNo: number;
  incarnation: string;
  epoch: number;
  seq: number;
  hash: string;
  position: number;
  hlc: string;
  due: string | null;
};

type HeadRow = Omit<Head, 'hash'> & { hash: Buffer };

const HEAD_SQL = `
  SELECT h.incarnation_no AS incarnationNo, i.id AS incarnation, i.epoch AS epoch, h.seq AS seq, h.hash AS hash,
         h.position AS position, h.hlc AS hlc, (SELECT reason FROM incarnation_due) AS due
  FROM journal_head h JOIN incarnation i ON i.no = h.incarnation_no`;

/** Always from the row, never from memory: a savepoint that rolls back takes its numbers with it. */
export function readHead(tx: ReadTx): Head | null {
  const row = tx.get<HeadRow>(HEAD_SQL);
  return row === undefined ? null : { ...row, hash: row.hash.toString('hex') };
}

export type Writing = { nowMs: number; actor: string | null; device: string | null };

type Appended = Pick<Head, 'seq' | 'hash' | 'hlc'>;

/**
 * Appends lines to the head's incarnation, one after the other, and writes their rows.
 * @param head as it was read in this savepoint @throws Problem line-too-large
 */
export function appendLines(
  tx: Tx,
  head: Head,
  drafts: readonly DraftLine[],
  writing: Writing,
  appliers: Appliers,
): JournalRef[] {
  let last: Appended = head;
  return drafts.map((draft) => {
    const appended = appendLine(tx, { ...head, ...last }, draft, writing, appliers);
    last = appended;
    const { seq, hash } = appended;
    return { incarnation: head.incarnation, epoch: head.epoch, seq, hash };
  });
}

function appendLine(tx: Tx, head: Head, draft: DraftLine, writing: Writing, appliers: Appliers): Appended {
  const seq = head.seq + 1;
  const line: JournalLine = {
    seq,
    kind: draft.kind,
    key: draft.key,
    refs: draft.refs,
    contract: contractOfLine(draft.kind),
    at: writing.nowMs,
    hlc: nextHlc(head.hlc, writing.nowMs),
    actor: writing.actor,
    device: writing.device,
    contentHash: draft.contentHash,
    body: draft.body,
  };
  const place = { incarnationNo: head.incarnationNo, seq, position: nextPosition(tx) };
  const hash = storeLine(tx, line, place, Buffer.from(head.hash, 'hex'), APPLIED.written);
  applyLine(tx, line, place, appliers);
  return { seq, hash: hash.toString('hex'), hlc: line.hlc };
}

/** The one door through which rows are written: live work, recovery and rebuild. */
export function applyLine(tx: Tx, line: JournalLine, place: LinePlace, appliers: Appliers): void {
  const applier = appliers[line.kind as JournalKind] as Applier<JournalKind> | undefined;
  if (applier === undefined) throw new Error(`no applier for lines of kind ${line.kind}`);
  applier(tx, line as Parameters<Applier<JournalKind>>[1], place);
}

/** Of the greatest there can be. */
const SEQ_DIGITS_MAX = String(Number.MAX_SAFE_INTEGER).length;

/**
 * Wherever it may have to be journalled again, under another number: were it too long there, nothing that follows it could
 * leave its history either. @throws Problem line-too-large
 */
function assertFits({ seq }: JournalLine, bytes: Buffer): void {
  const bytesMost = bytes.length - String(seq).length + SEQ_DIGITS_MAX;
  if (bytesMost > LINE_BYTES_MAX)
    throw problem('line-too-large', `a record of ${bytesMost} bytes; at most ${LINE_BYTES_MAX} fit one journal line`);
}

/**
 * Writes the line's bytes and moves the head. Of another box's that is journalled again the length is what it is: head office
 * sets aside what is too long, and says so, and all else of that history is there. @throws Problem line-too-large
 */
export function storeLine(tx: Tx, line: JournalLine, place: LinePlace, previous: Buffer, applied: Applied): Buffer {
  const bytes = encodeLine(line);
  if (applied === APPLIED.written) assertFits(line, bytes);
  const hash = chainHash(previous, bytes);
  tx.run(
    'INSERT INTO journal (position, incarnation_no, seq, hash, applied, line) VALUES (?, ?, ?, ?, ?, ?)',
    place.position,
    place.incarnationNo,
    place.seq,
    hash,
    applied,
    packLine(bytes),
  );
  tx.run(
    `INSERT INTO journal_head (id, incarnation_no, seq, hash, position, hlc) VALUES (1, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET incarnation_no = excluded.incarnation_no, seq = excluded.seq, hash = excluded.hash,
       position = excluded.position, hlc = excluded.hlc`,
    place.incarnationNo,
    place.seq,
    hash,
    place.position,
    line.hlc,
  );
  return hash;
}

export function nextPosition(tx: ReadTx): number {
  return (tx.get<{ last: number }>('SELECT coalesce(max(position), 0) AS last FROM journal')?.last ?? 0) + 1;
}

/** `line`: its own bytes, as they are hashed and shipped. */
export type StoredLine = { seq: number; hash: Buffer; line: Buffer };

/** Lines of one incarnation from `fromSeq` on: as many as fit both bounds, but at least one where there is one. */
export function readLines(
  tx: ReadTx,
  incarnationNo: number,
  fromSeq: number,
  linesMax: number,
  bytesMax: number,
): StoredLine[] {
  const lines: StoredLine[] = [];
  let bytes = 0;
  for (const { position, seq, hash, line: stored } of tx.all<StoredLine & { position: number }>(
    'SELECT position, seq, hash, line FROM journal WHERE incarnation_no = ? AND seq >= ? ORDER BY seq LIMIT ?',
    incarnationNo,
    fromSeq,
    linesMax,
  )) {
    const line = unpackLine(stored, position);
    bytes += line.length;
    if (bytes > bytesMax && lines.length > 0) break;
    lines.push({ seq, hash, line });
  }
  return lines;
}

/** In the shape of today. @throws when there is no such position: the caller holds a row that refers to it */
export function lineAt(tx: ReadTx, position: number): JournalLine {
  const row = tx.get<{ line: Buffer }>('SELECT line FROM journal WHERE position = ?', position);
  if (row === undefined) throw new Error(`no journal line at position ${position}`);
  return upcastLine(decodeLine(unpackLine(row.line, position)));
}

/** Chain hash after `seq`, hex; of seq 0 the genesis hash; null where there is no such line. */
export function hashAt(tx: ReadTx, incarnationNo: number, seq: number): string | null {
  if (seq === 0) return GENESIS_HASH.toString('hex');
  const row = tx.get<{ hash: Buffer }>(
    'SELECT hash FROM journal WHERE incarnation_no = ? AND seq = ?',
    incarnationNo,
    seq,
  );
  return row === undefined ? null : row.hash.toString('hex');
}
