import { isUtf8 } from 'node:buffer';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import { decodeLine, LINE_BYTES_MAX, MalformedLine, type JournalLine } from '@branchline/replication/line.js';
import { APPLIED } from './applied.js';
import type { FetchedOutcome } from './command.js';
import { readHead, nextPosition } from './journal.js';
import { packLine } from './line-storage.js';
import { failureOf } from './storage-failure.js';
import type { Tx } from './tx.js';
import { noLines, noteUntold } from './untold-lines.js';
import type { BackgroundWrite, WriteContext } from './write-job.js';

/**
 * `lines`: of one history, one after the other from `fromSeq` on, whose chain was proved; their bytes, a character each, for
 * a box may sign what is no text. `held`: not to be applied.
 */
export type LinesToTake = { incarnationNo: number; fromSeq: number; lines: readonly string[]; held: readonly number[] };

/** `followed` false: the history was changed meanwhile, and these lines do not follow it any more. */
export type LinesTaken = { at: number; followed: boolean };

export const NO_LINES_TAKEN: LinesTaken = { at: 0, followed: true };

/** As with the feed: 4 ms, so that a sale never waits for longer; one line at least. */
export const SLICE_MS_MAX = 4;

/** A line that its applier would not take: a bug here or there. It is held, the others go on. */
export class LineNotApplied extends Error {
  override readonly name = 'LineNotApplied';
  constructor(
    readonly seq: number,
    cause: unknown,
  ) {
    super(`line ${seq}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** Known by its shape: it may come out of another thread. */
export function isLineNotApplied(error: unknown): error is Error & { seq: number } {
  return error instanceof Error && error.name === 'LineNotApplied' && 'seq' in error && typeof error.seq === 'number';
}

/**
 * Stores lines that were fetched and writes what of them is not known here, in slices between sales. Each slice leaves the
 * history whole up to its last line, and what came of its lines counted, so that a fetch that was killed goes on from there.
 */
export const takeLines: BackgroundWrite<LinesToTake, LinesTaken> = {
  name: 'take-lines',
  slice(tx, input, state, context) {
    const end = endOf(tx, input.incarnationNo);
    if (end.seq !== input.fromSeq - 1 + state.at || isWrittenTo(tx, input.incarnationNo))
      return { state: { ...state, followed: false }, more: false };
    const next = takeSlice(tx, input, state, { ...context, end });
    return { state: next, more: next.at < input.lines.length };
  },
};

type End = { seq: number; hash: Buffer };

/** Live lines are written to the head's incarnation unless another is due. */
function isWrittenTo(tx: Tx, incarnationNo: number): boolean {
  const head = readHead(tx);
  return head !== null && head.incarnationNo === incarnationNo && head.due === null;
}

function takeSlice(
  tx: Tx,
  { incarnationNo, lines, held }: LinesToTake,
  state: LinesTaken,
  { end, stopwatch, applyFetched, clock }: WriteContext & { end: End },
): LinesTaken {
  const counts = noLines();
  const startMs = stopwatch();
  let { at } = state;
  let { seq, hash } = end;
  let position = nextPosition(tx);
  let hlc = '';
  while (at < lines.length && (at === state.at || stopwatch() - startMs < SLICE_MS_MAX)) {
    const bytes = Buffer.from(lines[at] as string, 'latin1');
    seq += 1;
    hash = chainHash(hash, bytes);
    const isHeld = held.includes(seq);
    const place = { incarnationNo, seq, position };
    tx.run(INSERT, position, incarnationNo, seq, hash, isHeld ? APPLIED.held : APPLIED.fetched, packLine(bytes));
    if (!isHeld) {
      const { outcome, line } = applied(bytes, seq, (read) => applyFetched(tx, read, place));
      counts[outcome] += 1;
      hlc = line.hlc > hlc ? line.hlc : hlc;
    }
    position += 1;
    at += 1;
  }
  noteTaken(tx, { incarnationNo, seq, hlc, nowMs: clock.now() });
  noteUntold(tx, { incarnationNo, wasHeld: false }, counts);
  return { at, followed: true };
}

const INSERT = 'INSERT INTO journal (position, incarnation_no, seq, hash, applied, line) VALUES (?, ?, ?, ?, ?, ?)';

function applied(
  bytes: Buffer,
  seq: number,
  apply: (line: JournalLine) => FetchedOutcome,
): { outcome: FetchedOutcome; line: JournalLine } {
  try {
    const line = soundLine(bytes);
    return { outcome: apply(line), line };
  } catch (error) {
    if (failureOf(error) !== null) throw error;
    throw new LineNotApplied(seq, error);
  }
}

/** As the hub reads it: what is no line there is none here. @throws MalformedLine */
export function soundLine(bytes: Buffer): JournalLine {
  if (bytes.length > LINE_BYTES_MAX) throw new MalformedLine(`${bytes.length} bytes`);
  if (!isUtf8(bytes)) throw new MalformedLine('not UTF-8');
  return decodeLine(bytes);
}

/** The hub has them: it gave them. Where the head's incarnation goes on behind them, its clock has to. */
function noteTaken(
  tx: Tx,
  { incarnationNo, seq, hlc, nowMs }: { incarnationNo: number; seq: number; hlc: JournalLine['hlc']; nowMs: number },
): void {
  tx.run(
    `INSERT INTO push_state (incarnation_no, applied_seq, durable_seq, acknowledged_at) VALUES (?, ?, 0, ?)
     ON CONFLICT (incarnation_no) DO UPDATE SET applied_seq = max(applied_seq, excluded.applied_seq)`,
    incarnationNo,
    seq,
    nowMs,
  );
  tx.run('UPDATE journal_head SET hlc = max(hlc, ?) WHERE incarnation_no = ?', hlc, incarnationNo);
}

function endOf(tx: Tx, incarnationNo: number): End {
  const last = tx.get<End>(
    'SELECT seq, hash FROM journal WHERE incarnation_no = ? ORDER BY seq DESC LIMIT 1',
    incarnationNo,
  );
  return last ?? { seq: 0, hash: GENESIS_HASH };
}
