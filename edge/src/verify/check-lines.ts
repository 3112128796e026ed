import { GENESIS_HASH, chainHash } from '@branchline/replication/chain.js';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import type { RebuildParts } from '../store/rebuild.js';
import { applyLine, readHead } from '../store/journal.js';
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
  ({ appliers, moveReference }: RebuildParts) =>
  (tx: ReadTx, { scratch: file, state, linesMax }: LinesToCheck): LinesChecked => {
    const rows = tx.all<JournalRow>(PAGE, state.position, linesMax);
    const finder = new Finder();
    const heads = { ...state.heads };
    const scratch = openScratch(file);
    try {
      scratch.database
        .transaction(() => {
          for (const row of rows) {
            const line = provedLine(tx, heads, row, finder);
            if (line !== null) apply(scratch, row, line, finder, { appliers, moveReference });
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
  const before = heads[incarnationNo] ?? { seq: 0, hash: GENESIS_HASH.toString('hex') };
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
    return decodeLine(bytes);
  } catch (error) {
    finder.add('journal-line', `${place()} cannot be read: ${(error as Error).message}`);
    return null;
  }
}

function incarnationOf(tx: ReadTx, no: number): string {
  return (
    tx.get<{ id: string }>('SELECT id FROM incarnation WHERE no = ?', no)?.id ?? `incarnation ${no}, which is not known`
  );
}

function apply(scratch: Connection, row: JournalRow, line: JournalLine, finder: Finder, parts: RebuildParts): void {
  const place = { incarnationNo: row.incarnationNo, seq: row.seq, position: row.position };
  try {
    if (row.applied === 1) applyLine(scratch, line, place, parts.appliers);
    else parts.moveReference(scratch, line, place);
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
    if (Object.keys(heads).length > 0) finder.add('journal-head', 'there is a journal, and no head');
    return;
  }
  const last = heads[head.incarnationNo];
  if (last?.seq !== head.seq || last.hash !== head.hash)
    finder.add(
      'journal-head',
      `the head says line ${head.seq}, ${head.hash}; the journal ends with ${last?.seq ?? 0}, ${last?.hash}`,
    );
  for (const { no, id } of tx.all<{ no: number; id: string }>('SELECT no, id FROM incarnation')) {
    if (heads[no] === undefined) finder.add('journal-gap', `${id} has no line in the journal`);
  }
}
