import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { upcastLine, type KindShapes } from '@branchline/replication/contracts.js';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import { APPLIED } from './applied.js';
import type { Appliers, FetchedApplier, ReferenceMover } from './command.js';
import { applyLine } from './journal.js';
import { lateLines, type LateLine } from './late-lines.js';
import { unpackLine } from './line-storage.js';

import type { Connection, ReadTx, Tx } from './tx.js';

export type RebuildParts = {
  appliers: Appliers;
  moveReference: ReferenceMover;
  applyFetched: FetchedApplier;
  /** Of own lines, which may be of any release before. Absent: as this release knows them. */
  shapes?: Readonly<Record<string, KindShapes>>;
};
export type Rebuilt = { lines: number; incarnations: number };

type JournalRow = { position: number; incarnationNo: number; seq: number; hash: Buffer; applied: number; line: Buffer };

const PAGE_LINES = 1_000;

/**
 * Makes an empty, migrated file whole from a journal: copies the machinery's tables, proves every chain on the way, and
 * applies lines by local position, those that were held until later after the line that was the last one then. Rows of
 * origin `feed` and `local` start empty: they are fetched, or learnt, again.
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

type IncarnationRow = {
  no: number;
  id: string;
  box: string;
  epoch: number;
  opened_at: number;
  forked_from: number | null;
  forked_at: number | null;
};
type DueRow = { reason: string; epoch_above: number; is_final: number };
type LateRow = { no: number; position: number; after_position: number };
type MissingRow = { incarnation: string; seq: number; hash: Buffer };

function copyMachinery(source: ReadTx, target: Connection): void {
  for (const row of source.all<IncarnationRow>('SELECT * FROM incarnation ORDER BY no')) {
    target.run(
      'INSERT INTO incarnation (no, id, box, epoch, opened_at, forked_from, forked_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      row.no,
      row.id,
      row.box,
      row.epoch,
      row.opened_at,
      row.forked_from,
      row.forked_at,
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
  for (const { reason, epoch_above, is_final } of source.all<DueRow>('SELECT * FROM incarnation_due')) {
    target.run(
      'INSERT INTO incarnation_due (id, reason, epoch_above, is_final) VALUES (1, ?, ?, ?)',
      reason,
      epoch_above,
      is_final,
    );
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
  for (const { incarnation, seq, hash } of source.all<MissingRow>('SELECT * FROM missing_line'))
    target.run('INSERT INTO missing_line VALUES (?, ?, ?)', incarnation, seq, hash);
  for (const row of source.all<LateRow>('SELECT * FROM late_line'))
    target.run(
      'INSERT INTO late_line (no, position, after_position) VALUES (?, ?, ?)',
      row.no,
      row.position,
      row.after_position,
    );
}

function replay(source: ReadTx, target: Connection, parts: RebuildParts): Rebuilt {
  const heads = forkHeads(source);
  const incarnations = source.all('SELECT no FROM incarnation WHERE forked_from IS NULL').length;
  let position = 0;
  let lines = 0;
  for (;;) {
    const page = source.all<JournalRow>(
      `SELECT position, incarnation_no AS incarnationNo, seq, hash, applied, line FROM journal
       WHERE position > ? ORDER BY position LIMIT ?`,
      position,
      PAGE_LINES,
    );
    const late = lateLines(source, { after: position, upTo: page.at(-1)?.position ?? position });
    for (const row of page) {
      replayLine(target, row, proveLink(heads, row), parts);
      for (const each of late.get(row.position) ?? []) applyLateLine(target, each, parts);
      position = row.position;
      lines += 1;
    }
    if (page.length < PAGE_LINES) return { lines, incarnations };
  }
}

/** Where the chain of each history begins that was split off another; the others begin at nothing. */
export function forkHeads(tx: ReadTx): Map<number, { seq: number; hash: Buffer }> {
  const forks = tx.all<{ no: number; seq: number; hash: Buffer | null }>(
    `SELECT f.no, f.forked_at AS seq, j.hash FROM incarnation f
     LEFT JOIN journal j ON j.incarnation_no = f.forked_from AND j.seq = f.forked_at WHERE f.forked_from IS NOT NULL`,
  );
  return new Map(forks.map(({ no, seq, hash }) => [no, { seq, hash: hash ?? GENESIS_HASH }]));
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
  if (isAppliedInPlace(row.applied)) applyStored(target, row, decodeLine(bytes), parts);
}

/** What was held may be no line, and has no rows; or it has them from a later place in the order. */
export function isAppliedInPlace(applied: number): boolean {
  return applied !== APPLIED.held && applied !== APPLIED.late && applied !== APPLIED.left;
}

export function applyLateLine(target: Tx, { line, ...place }: LateLine, parts: RebuildParts): void {
  void parts.applyFetched(target, decodeLine(unpackLine(line, place.position)), place);
}

/** The rows of a line by how it lies in the journal; looks at and writes rows of origin `journal` alone. */
export function applyStored(
  target: Tx,
  { applied, incarnationNo, seq, position }: Omit<JournalRow, 'hash' | 'line'>,
  line: JournalLine,
  parts: RebuildParts,
): void {
  const place = { incarnationNo, seq, position };
  switch (applied) {
    case APPLIED.again:
      return parts.moveReference(target, line, place);
    case APPLIED.written:
      return applyLine(target, upcastLine(line, parts.shapes), place, parts.appliers);
    case APPLIED.fetched:
      return void parts.applyFetched(target, line, place);
    default:
      throw new Error(`the line at position ${position} is applied in no way that is known`);
  }
}
