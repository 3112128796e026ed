import { GENESIS_HASH, chainHash } from '@branchline/replication/chain.js';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import { applyLateLine, applyStored, isAppliedInPlace, type RebuildParts } from '../store/rebuild.js';
import { lateLines, type LateLine } from '../store/late-lines.js';
import { hashAt, readHead } from '../store/journal.js';
import { unpackLine } from '../store/line-storage.js';
import type { Connection, ReadTx } from '../store/tx.js';
import { Finder, type Findings } from './findings.js';
import { openScratch } from './scratch.js';

/** Where a walk over the journal stands: after `position`, with the hash that was kept for the last line of each history. */
export type WalkState = { position: number; lines: number; heads: Record<string, { seq: number; hash: string }> };

export const WALK_START: WalkState = { position: 0, lines: 0, heads: {} };

export type LinesToCheck = { scratch: string; state: WalkState; linesMax: number };
export type LinesChecked = { state: WalkState; more: boolean; findings: Findings };

type JournalRow = { position: number; incarnationNo: number; seq: number; hash: Buffer; applied: number; line: Buffer };

const PAGE = `
  SELECT position, incarnation_no AS incarnationNo, seq, hash, applied, line FROM journal
  WHERE position > ? ORDER BY position LIMIT ?`;

/**
 * Walks over the next lines of the journal: proves that each leads on from the one before, and applies it to the scratch.
 * What does not hold is named, and the walk goes on: one damaged line is one finding, not all that follow.
 */
export const checkLines =
  (parts: RebuildParts) =>
  (tx: ReadTx, { scratch: file, state, linesMax }: LinesToCheck): LinesChecked => {
    const rows = tx.all<JournalRow>(PAGE, state.position, linesMax);
    const finder = new Finder();
    const heads = { ...state.heads };
    const late = lateLines(tx, { after: state.position, upTo: rows.at(-1)?.position ?? state.position });
    const scratch = openScratch(file);
    try {
      scratch.database
        .transaction(() => {
          for (const row of rows) {
            const line = provedLine(tx, heads, row, finder);
            if (line !== null) apply(scratch, row, line, finder, parts);
            for (const each of late.get(row.position) ?? []) applyLate(scratch, each, finder, parts);
          }
        })
        .immediate();
    } finally {
      scratch.database.close();
    }
    const position = rows.at(-1)?.position ?? state.position;
    const walked = { position, lines: state.lines + rows.length, heads };
    return { state: walked, more: rows.length === linesMax, findings: finder.findings };
  };

/** Linked to what was kept and not to what was computed, so that a flipped bit is one line. @returns null: not to be read */
function provedLine(tx: ReadTx, heads: WalkState['heads'], row: JournalRow, finder: Finder): JournalLine | null {
  const { incarnationNo, seq, position } = row;
  const before = heads[incarnationNo] ?? startOf(tx, incarnationNo, seq);
  heads[incarnationNo] = { seq, hash: row.hash.toString('hex') };
  const place = (): string => `line ${seq} of ${incarnationOf(tx, incarnationNo)}`;
  const isNext = seq === before.seq + 1;
  if (!isNext) {
    const gap = `lines ${before.seq + 1} to ${seq - 1} of ${incarnationOf(tx, incarnationNo)} are not there`;
    finder.add('journal-gap', gap);
  }
  try {
    const bytes = unpackLine(row.line, position);
    const hash = chainHash(Buffer.from(before.hash, 'hex'), bytes);
    if (isNext && !hash.equals(row.hash)) {
      const told = `${hash.toString('hex')}, kept is ${row.hash.toString('hex')}`;
      finder.add('journal-line', `${place()}: its bytes lead to ${told}`);
    }
    return isAppliedInPlace(row.applied) ? decodeLine(bytes) : null;
  } catch (error) {
    finder.add('journal-line', `${place()} cannot be read: ${(error as Error).message}`);
    return null;
  }
}

/**
 * Where a history begins that the walk has not come to: at nothing, or where it was split off another. Split off while the
 * walk was in it, its first lines were walked under the other's name.
 */
function startOf(tx: ReadTx, incarnationNo: number, seq: number): { seq: number; hash: string } {
  const fork = tx.get<{ forkedFrom: number; forkedAt: number }>(
    'SELECT forked_from AS forkedFrom, forked_at AS forkedAt FROM incarnation WHERE no = ? AND forked_from IS NOT NULL',
    incarnationNo,
  );
  const nothing = { seq: 0, hash: GENESIS_HASH.toString('hex') };
  if (fork === undefined) return nothing;
  const walked = seq > 1 ? hashAt(tx, incarnationNo, seq - 1) : null;
  if (walked !== null) return { seq: seq - 1, hash: walked };
  return { seq: fork.forkedAt, hash: hashAt(tx, fork.forkedFrom, fork.forkedAt) ?? nothing.hash };
}

function incarnationOf(tx: ReadTx, no: number): string {
  return (
    tx.get<{ id: string }>('SELECT id FROM incarnation WHERE no = ?', no)?.id ?? `incarnation ${no}, which is not known`
  );
}

function applyLate(scratch: Connection, late: LateLine, finder: Finder, parts: RebuildParts): void {
  try {
    applyLateLine(scratch, late, parts);
  } catch (error) {
    finder.add('journal-line', `line ${late.seq}, which was held, cannot be applied: ${(error as Error).message}`);
  }
}

function apply(scratch: Connection, row: JournalRow, line: JournalLine, finder: Finder, parts: RebuildParts): void {
  try {
    applyStored(scratch, row, line, parts);
  } catch (error) {
    finder.add(
      'journal-line',
      `line ${row.seq} (${line.kind} ${line.key}) cannot be applied: ${(error as Error).message}`,
    );
  }
}

/** Whether head and histories end where the walk has. To be asked in the same moment. */
export function checkHeads(tx: ReadTx, { heads }: WalkState, finder: Finder): void {
  const head = readHead(tx);
  if (head === null) {
    // What another box of the branch wrote needs none here.
    const isWritten = tx.get('SELECT 1 FROM journal WHERE applied IN (0, 1) LIMIT 1') !== undefined;
    if (isWritten) finder.add('journal-head', 'there is a journal, and no head');
    return;
  }
  // Behind a head that is not written to any more may lie what was fetched.
  const last = heads[head.incarnationNo];
  const kept = head.due === null ? last?.hash : hashAt(tx, head.incarnationNo, head.seq);
  if (last === undefined || kept !== head.hash || (head.due === null && last.seq !== head.seq))
    finder.add(
      'journal-head',
      `the head says line ${head.seq}, ${head.hash}; the journal ends with ${last?.seq ?? 0}, ${last?.hash}`,
    );
  for (const { no, id } of tx.all<{ no: number; id: string }>(WITH_LINES)) {
    if (heads[no] === undefined) finder.add('journal-gap', `${id} has no line in the journal`);
  }
}

/** One that nothing has come of yet, or all of which a fork has split off, has none. */
const WITH_LINES = `
  SELECT i.no, i.id FROM incarnation i LEFT JOIN push_state p ON p.incarnation_no = i.no
  WHERE i.forked_from IS NULL AND NOT EXISTS (SELECT 1 FROM incarnation f WHERE f.forked_from = i.no)
    AND (p.applied_seq > 0 OR i.box = (SELECT own.box FROM journal_head h JOIN incarnation own ON own.no = h.incarnation_no))`;
