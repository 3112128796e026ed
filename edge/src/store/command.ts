import type { JournalBody, JournalKind } from '@branchline/replication/kinds/registry.js';
import type { JournalLine } from '@branchline/replication/line.js';
import type { ReadTx, Tx } from './tx.js';

/** A line as a decision gives it; the journal adds seq, time, hlc, actor and device. */
export type DraftLine<K extends JournalKind = JournalKind> = {
  [Kind in K]: { kind: Kind; key: string; refs: string[]; contentHash: string; body: JournalBody<Kind> };
}[K];

/** Where a line stands in the journal; `hash` in hex. */
export type JournalRef = { incarnation: string; epoch: number; seq: number; hash: string };

export type CommandContext = {
  /** The edge's wall clock when the command is decided, epoch ms. */
  nowMs: number;
  /** Epoch of the incarnation that the lines will stand in: part of receipt numbers. */
  epoch: number;
  /** Operator code of who acts; null for the box itself. */
  actor: string | null;
  /** Device id of the till's browser; null for the box itself. */
  device: string | null;
};

/** What a command comes to: the lines to journal (none: nothing changes) and how to answer once they are. */
export type Decision<Outcome> = { lines: DraftLine[]; answer(journaled: JournalRef[]): Outcome };

/**
 * A write of the store. `decide` is synchronous and may only look: load, decide with libs/domain, return lines. It
 * refuses by throwing a Problem; the savepoint takes back the numbers it would have used.
 */
export interface Command<Input, Outcome> {
  readonly name: string;
  /** It writes down what happened elsewhere: nobody stands at a till for it, and sales go first. */
  readonly waits?: true;
  decide(tx: ReadTx, input: Input, context: CommandContext): Decision<Outcome>;
}

/** The place of a line as its appliers see it. `position`: local order in the file, the key of `journal`. */
export type LinePlace = { incarnationNo: number; seq: number; position: number };

/** Writes all rows of a line, and nothing else does: live work, recovery and rebuild are the same path. */
export type Applier<K extends JournalKind> = (
  tx: Tx,
  line: JournalLine & { body: JournalBody<K> },
  place: LinePlace,
) => void;

export type Appliers = { [K in JournalKind]: Applier<K> };

/** Moves the rows of an already applied line to its new place, after it was journalled again in a new incarnation. */
export type ReferenceMover = (tx: Tx, line: JournalLine, place: LinePlace) => void;

/**
 * What became of a fetched line. `doubled`: written, and its receipt number is another sale's as well · `known`: the fact
 * stands here with the same content · `differs`: with other content, and is left as it stands.
 */
export type FetchedOutcome = 'applied' | 'doubled' | 'known' | 'differs';

/** Writes the rows of a line that came from the hub, where its fact is not known here; the same for recovery and rebuild. */
export type FetchedApplier = (tx: Tx, line: JournalLine, place: LinePlace) => FetchedOutcome;
