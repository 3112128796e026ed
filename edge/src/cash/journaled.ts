import { upcastLine } from '@branchline/replication/contracts.js';
import { decodeLine, type JournalLine } from '@branchline/replication/line.js';
import type { JournalRef } from '../store/command.js';
import { unpackLine } from '../store/line-storage.js';
import type { ReadTx } from '../store/tx.js';

/** A line of the journal with its place. */
export type Journaled = { line: JournalLine; journal: JournalRef };

type Row = { line: Buffer; incarnation: string; epoch: number; seq: number; hash: Buffer };

const AT_POSITION = `
  SELECT j.line, i.id AS incarnation, i.epoch, j.seq, j.hash
  FROM journal j JOIN incarnation i ON i.no = j.incarnation_no WHERE j.position = ?`;

/** @throws Error when there is none: the caller holds a row that refers to it */
export function journaledAt(tx: ReadTx, position: number): Journaled {
  const row = tx.get<Row>(AT_POSITION, position);
  if (row === undefined) throw new Error(`no journal line at position ${position}`);
  const { incarnation, epoch, seq } = row;
  const line = upcastLine(decodeLine(unpackLine(row.line, position)));
  return { line, journal: { incarnation, epoch, seq, hash: row.hash.toString('hex') } };
}

/** The one place of a command that journals one line. */
export function onlyRef(refs: readonly JournalRef[]): JournalRef {
  const [only] = refs;
  if (only === undefined || refs.length !== 1) throw new Error(`one line was decided, ${refs.length} were journalled`);
  return only;
}
