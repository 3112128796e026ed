import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { decodeLine } from '@branchline/replication/line.js';
import type { Appliers, ReferenceMover } from './command.js';
import { applyLine } from './journal.js';
import { unpackLine } from './line-storage.js';
import type { Connection, ReadTx } from './tx.js';

export type RebuildParts = { appliers: Appliers; moveReference: ReferenceMover };
export type Rebuilt = { lines: number; incarnations: number };

type JournalRow = { position: number; incarnationNo: number; seq: number; hash: Buffer; applied: number; line: Buffer };

const PAGE_LINES = 1_000;

/**
 * Makes an empty, migrated file whole from a journal: copies the machinery's tables, proves every chain on the way, and
 * applies lines by local position. Rows of origin `feed` and `local` start empty: they are fetched, or learnt, again.
 * @throws when a chain does not verify: what follows the break is not this store's history
 */
export function rebuild(source: ReadTx, target: Connection, parts: RebuildParts): Rebuilt {
  return target.database
    .transaction(() => {
      copyMachinery(source, target);
      return replay(source, target, parts);
    })
    .immediate();
}

function copyMachinery(source: ReadTx, target: Connection): void {
  for (const row of source.all<{ no: number; id: string; epoch: number; openedAt: number }>(
    'SELECT no, id, epoch, opened_at AS openedAt FROM incarnation ORDER BY no',
  )) {
    target.run(
      'INSERT INTO incarnation (no, id, epoch, opened_at) VALUES (?, ?, ?, ?)',
      row.no,
      row.id,
      row.epoch,
      row.openedAt,
    );
  }
  for (const row of source.all<{ incarnationNo: number; seq: number; hash: Buffer; position: number; hlc: string }>(
    'SELECT incarnation_no AS incarnationNo, seq, hash, position, hlc FROM journal_head',
  )) {
    target.run(
      'INSERT INTO journal_head (id, incarnation_no, seq, hash, position, hlc) VALUES (1, ?, ?, ?, ?, ?)',
      row.incarnationNo,
      row.seq,
      row.hash,
      row.position,
      row.hlc,
    );
  }
  for (const row of source.all<{ reason: string; epochAbove: number }>(
    'SELECT reason, epoch_above AS epochAbove FROM incarnation_due',
  )) {
    target.run('INSERT INTO incarnation_due (id, reason, epoch_above) VALUES (1, ?, ?)', row.reason, row.epochAbove);
  }
  for (const row of source.all<{ person: string; wrapped: Buffer; offered: number }>(
    'SELECT person, wrapped, offered FROM person_key',
  )) {
    target.run(
      'INSERT INTO person_key (person, wrapped, offered) VALUES (?, ?, ?)',
      row.person,
      row.wrapped,
      row.offered,
    );
  }
  for (const { person } of source.all<{ person: string }>('SELECT person FROM erased_person'))
    target.run('INSERT INTO erased_person (person) VALUES (?)', person);
}

function replay(source: ReadTx, target: Connection, parts: RebuildParts): Rebuilt {
  const heads = new Map<number, { seq: number; hash: Buffer }>();
  let position = 0;
  let lines = 0;
  for (;;) {
    const page = source.all<JournalRow>(
      `SELECT position, incarnation_no AS incarnationNo, seq, hash, applied, line FROM journal
       WHERE position > ? ORDER BY position LIMIT ?`,
      position,
      PAGE_LINES,
    );
    for (const row of page) {
      replayLine(target, row, proveLink(heads, row), parts);
      position = row.position;
      lines += 1;
    }
    if (page.length < PAGE_LINES) return { lines, incarnations: heads.size };
  }
}

/** @returns the line's own bytes @throws with the place of the break, or of the damage */
export function proveLink(
  heads: Map<number, { seq: number; hash: Buffer }>,
  row: Pick<JournalRow, 'position' | 'incarnationNo' | 'seq' | 'hash' | 'line'>,
): Buffer {
  const previous = heads.get(row.incarnationNo) ?? { seq: 0, hash: GENESIS_HASH };
  const bytes = unpackLine(row.line, row.position);
  const hash = chainHash(previous.hash, bytes);
  if (row.seq !== previous.seq + 1 || !hash.equals(row.hash)) {
    throw new Error(`the chain of incarnation ${row.incarnationNo} breaks at line ${previous.seq + 1}`);
  }
  heads.set(row.incarnationNo, { seq: row.seq, hash });
  return bytes;
}

function replayLine(target: Connection, row: JournalRow, bytes: Buffer, parts: RebuildParts): void {
  target.run(
    'INSERT INTO journal (position, incarnation_no, seq, hash, applied, line) VALUES (?, ?, ?, ?, ?, ?)',
    row.position,
    row.incarnationNo,
    row.seq,
    row.hash,
    row.applied,
    row.line,
  );
  const line = decodeLine(bytes);
  const place = { incarnationNo: row.incarnationNo, seq: row.seq, position: row.position };
  if (row.applied === 1) applyLine(target, line, place, parts.appliers);
  else parts.moveReference(target, line, place);
}
