import { MalformedLine, type JournalLine } from '@branchline/replication/line.js';
import { APPLIED } from './applied.js';
import type { FetchedOutcome, LinePlace } from './command.js';
import { unpackLine } from './line-storage.js';
import { failureOf } from './storage-failure.js';
import { SLICE_MS_MAX, soundLine } from './take-lines.js';
import type { ReadTx, Tx } from './tx.js';
import { noLines, noteUntold } from './untold-lines.js';
import type { BackgroundWrite, WriteContext } from './write-job.js';

/** A line of the journal that was applied after others which lie behind it. */
export type LateLine = LinePlace & { line: Buffer };

/**
 * Those that were applied once the journal ended with one of these lines, by the position of that line, each in the order in
 * which they were. What the rows of the journal are made of is the lines by position, and each late one right behind the
 * line after which it was applied.
 */
export function lateLines(tx: ReadTx, range: { after: number; upTo: number }): Map<number, LateLine[]> {
  const byPosition = new Map<number, LateLine[]>();
  for (const { afterPosition, ...late } of tx.all<LateLine & { afterPosition: number }>(
    `SELECT j.position, j.incarnation_no AS incarnationNo, j.seq, j.line, l.after_position AS afterPosition
     FROM late_line l JOIN journal j ON j.position = l.position
     WHERE l.after_position > ? AND l.after_position <= ? ORDER BY l.no`,
    range.after,
    range.upTo,
  ))
    byPosition.set(afterPosition, [...(byPosition.get(afterPosition) ?? []), late]);
  return byPosition;
}

/** Thrown before anything is written of it: this release, or any, cannot take the line. */
export class LineNotTaken extends Error {
  override readonly name = 'LineNotTaken';
}

/** A line that broke its applier: what the slice did is taken back, and it is to be gone through again without it. */
export class HeldLineBroke extends Error {
  override readonly name = 'HeldLineBroke';
  constructor(
    readonly position: number,
    /** Where the slice began. */
    readonly after: number,
    cause: unknown,
  ) {
    super(`position ${position}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Known by its shape: it may come out of another thread. */
export function isHeldLineBroke(error: unknown): error is Error & { position: number; after: number } {
  return error instanceof Error && error.name === 'HeldLineBroke' && 'position' in error && 'after' in error;
}

/** `after`: up to this position all were looked at. */
export type HeldTried = { after: number };
export const NO_HELD_TRIED: HeldTried = { after: 0 };

const LINES_AT_A_TIME = 50;
const HELD = `
  SELECT position, incarnation_no AS incarnationNo, seq, line FROM journal
  WHERE applied = ${APPLIED.held} AND position > ? ORDER BY position LIMIT ${LINES_AT_A_TIME}`;

/**
 * Once at each start: lines that were held, perhaps by an older release, are applied where this one can, as if they had come
 * now. Their place in the order of rows is behind all that is journalled, and is kept, so that a rebuild comes to the same.
 */
export const applyHeld: BackgroundWrite<{ skip: readonly number[] }, HeldTried> = {
  name: 'apply-held',
  slice(tx, { skip }, state, context) {
    const startMs = context.stopwatch();
    const rows = tx.all<LinePlace & { line: Buffer }>(HELD, state.after);
    let [tried, after] = [0, state.after];
    for (const row of rows) {
      if (tried > 0 && context.stopwatch() - startMs >= SLICE_MS_MAX) break;
      const outcome = skip.includes(row.position) ? null : tryHeld(tx, row, state.after, context);
      const { incarnationNo } = row;
      if (outcome !== null) noteUntold(tx, { incarnationNo, wasHeld: true }, { ...noLines(), [outcome]: 1 });
      tried += 1;
      after = row.position;
    }
    return { state: { after }, more: tried < rows.length || rows.length === LINES_AT_A_TIME };
  },
};

/** @returns null: it stays held @throws HeldLineBroke */
function tryHeld(
  tx: Tx,
  { line: stored, ...place }: LinePlace & { line: Buffer },
  after: number,
  { applyFetched }: WriteContext,
): FetchedOutcome | null {
  const line = readOrNull(stored, place.position);
  if (line === null) return null;
  try {
    const outcome = applyFetched(tx, line, place);
    tx.run('UPDATE journal SET applied = ? WHERE position = ?', APPLIED.late, place.position);
    tx.run('INSERT INTO late_line (position, after_position) SELECT ?, max(position) FROM journal', place.position);
    tx.run('UPDATE journal_head SET hlc = max(hlc, ?) WHERE incarnation_no = ?', line.hlc, place.incarnationNo);
    return outcome;
  } catch (error) {
    if (error instanceof LineNotTaken) return null;
    if (failureOf(error) !== null) throw error;
    throw new HeldLineBroke(place.position, after, error);
  }
}

/** What another box signed may be no line at all, and never will be one. */
function readOrNull(stored: Buffer, position: number): JournalLine | null {
  const bytes = unpackLine(stored, position);
  try {
    return soundLine(bytes);
  } catch (error) {
    if (error instanceof MalformedLine) return null;
    throw error;
  }
}
