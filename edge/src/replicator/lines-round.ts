import { setImmediate as otherWork } from 'node:timers/promises';
import { headIsSigned } from '@branchline/replication/head-signature.js';
import { speaks, type ProtocolRange } from '@branchline/replication/protocol.js';
import { MalformedPush, PlainPush, type ReceivedLine, type ReceivedPush } from '@branchline/replication/push.js';
import { hashAt } from '../store/journal.js';
import type { Store } from '../store/store.js';
import { isLineNotApplied, NO_LINES_TAKEN, takeLines } from '../store/take-lines.js';
import { takeHeldLines } from './held-lines.js';
import { historyTaken, readHistoriesDue, type HistoryDue } from './history-due.js';
import type { MeetHub } from './meet-hub.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

/** Who is asked for lines: the hub, or a bundle that came from it. Null: it has none of them, and nothing is wrong. */
export type LinesSource = {
  readonly speech: { readonly spoken: ProtocolRange };
  lines(from: { incarnation: string; fromSeq: number }): Promise<Buffer | null>;
};

export type LinesParts = {
  store: Store;
  hub: LinesSource;
  meet: Pick<MeetHub, 'ifDue' | 'makeDue'>;
  alarm(message: string): void;
  /** After each request the hub answered as asked. */
  onContact(): void;
};

/** A page that is not what was asked for, or that its box never signed. */
export class CorruptLines extends Error {
  override readonly name = 'CorruptLines';
}

/** In a row; then a round ends and another begins at once: shutdown and force get their turn. */
const PAGES_IN_A_ROUND_MAX = 200;

/** About a millisecond of hashing; sales go in between. */
const LINES_AT_ONCE = 100;
/**
 * Of a page, handed to the writer at once. A page may be as large as a push was, 5,000 lines of 8 MiB: to turn all of it into a
 * message, and the message into lines again, held up this thread and the writer's for 100 ms each.
 */
export const PIECE_BYTES_MAX = 256 * 1024;

/**
 * Fetches what the hub has of this branch and this file lacks: what a restored file lost, what the box did that this one
 * replaced, what a second box sells. Each page is proved to come from its box before a line of it is taken, and taken in
 * slices between sales; whatever ends it, the next round goes on behind the last slice.
 */
export class LinesRound {
  private running: Promise<boolean> | null = null;
  private hasTriedHeld = false;

  constructor(
    private readonly parts: LinesParts,
    private readonly signal: AbortSignal,
  ) {}

  /** @returns whether there is more to fetch @throws LineFailure, Refusal, CorruptLines */
  run(): Promise<boolean> {
    this.running ??= this.fetchAll().finally(() => (this.running = null));
    return this.running;
  }

  private async fetchAll(): Promise<boolean> {
    const { store, meet } = this.parts;
    if (!this.hasTriedHeld) await takeHeldLines(this.parts, this.signal);
    this.hasTriedHeld = true;
    await meet.ifDue();
    let pages = 0;
    for (const due of readHistoriesDue(store.reads)) {
      try {
        const held = new Set<number>();
        for (let place = { ...due }; place.lastSeq < due.hubSeq;) {
          if (this.signal.aborted) return false;
          if (pages++ === PAGES_IN_A_ROUND_MAX) return true;
          const page = await this.parts.hub.lines({ incarnation: due.incarnation, fromSeq: place.lastSeq + 1 });
          if (page === null) break;
          if (!(await this.takePage(place, page, held))) {
            // Changed by a fork or by a hub that was restored: hello says how it stands now.
            meet.makeDue();
            return true;
          }
          place = { ...due, lastSeq: this.lastSeqOf(due) };
        }
      } finally {
        await this.tellTaken(due);
      }
    }
    return false;
  }

  private lastSeqOf({ incarnationNo }: HistoryDue): number {
    const last = this.parts.store.reads.get<{ seq: number }>(
      'SELECT coalesce(max(seq), 0) AS seq FROM journal WHERE incarnation_no = ?',
      incarnationNo,
    );
    return last?.seq ?? 0;
  }

  /** @returns false when it does not follow what is here */
  private async takePage(due: HistoryDue, page: Buffer, held: Set<number>): Promise<boolean> {
    const { store, hub, onContact } = this.parts;
    const fromSeq = due.lastSeq + 1;
    const { header, lines } = await decoded(page);
    onContact();
    if (!speaks(hub.speech.spoken, header.protocol))
      throw new CorruptLines(`lines of ${due.incarnation} came in protocol ${header.protocol}`);
    if (header.incarnation !== due.incarnation || header.fromSeq !== fromSeq)
      throw new CorruptLines(`line ${fromSeq} of ${due.incarnation} was asked for, ${header.fromSeq} came`);
    if (header.previousHash !== hashAt(store.reads, due.incarnationNo, due.lastSeq)) return false;
    this.assertSigned(due, header);
    let place = { seq: due.lastSeq, hash: header.previousHash };
    for (const piece of piecesOf(lines)) {
      if (this.signal.aborted) return true;
      // Lines of a page go in one behind the other or not at all, also where a fork came between two pieces of it.
      if (hashAt(store.reads, due.incarnationNo, place.seq) !== place.hash) return false;
      const taken = await this.takePiece(due, place.seq + 1, piece, held);
      if (taken !== 'all') return taken === 'some';
      place = { seq: place.seq + piece.length, hash: String(piece.at(-1)?.hash.toString('hex')) };
    }
    return true;
  }

  /** @returns whether all of it was taken; `some`: one of its lines is to be held; `none`: it does not follow */
  private async takePiece(
    { incarnationNo, incarnation }: HistoryDue,
    fromSeq: number,
    lines: readonly ReceivedLine[],
    held: Set<number>,
  ): Promise<'all' | 'some' | 'none'> {
    const { store } = this.parts;
    const texts = lines.map(({ bytes }) => bytes.toString('latin1'));
    const input = { incarnationNo, fromSeq, lines: texts, held: [...held] };
    try {
      const taken = await store.writer.background(takeLines, input, NO_LINES_TAKEN, this.signal);
      return taken.followed ? 'all' : 'none';
    } catch (error) {
      // One line less each time: this ends.
      if (!isLineNotApplied(error)) throw error;
      held.add(error.seq);
      await this.tell({ level: 'incident', event: 'line-held', detail: `${incarnation} ${error.message}` });
      return 'some';
    }
  }

  /** @throws CorruptLines */
  private assertSigned({ incarnation, signingKey }: HistoryDue, header: ReceivedPush['header']): void {
    const { tenant, branch } = this.parts.store.box;
    const seq = header.fromSeq + header.count - 1;
    const head = { tenant, branch, incarnation, seq, hash: header.headHash };
    if (!headIsSigned(head, header.signature, signingKey))
      throw new CorruptLines(`line ${seq} of ${incarnation} is not signed by its box: nothing of it was taken`);
  }

  private async tellTaken({ incarnationNo }: HistoryDue): Promise<void> {
    const { store, alarm } = this.parts;
    for (const { level, detail } of await store.writer.write(historyTaken, { incarnationNo }))
      if (level === 'incident') alarm(detail);
  }

  private async tell(entry: SyncLogEntry): Promise<void> {
    await this.parts.store.writer.write(logSync, { entries: [entry] });
    this.parts.alarm(entry.detail);
  }
}

/** Its lines lead from `previousHash` to `headHash`. @throws CorruptLines */
async function decoded(page: Buffer): Promise<ReceivedPush> {
  try {
    const push = new PlainPush(page);
    const lines: ReceivedLine[] = [];
    for (let line = push.next(); line !== null; line = push.next()) {
      lines.push(line);
      if (lines.length % LINES_AT_ONCE === 0) await otherWork();
    }
    return { header: push.header, lines };
  } catch (error) {
    if (!(error instanceof MalformedPush)) throw error;
    throw new CorruptLines(`a page of lines: ${error.message}`);
  }
}

/** At least one line each. */
function* piecesOf(lines: readonly ReceivedLine[]): Generator<ReceivedLine[]> {
  let piece: ReceivedLine[] = [];
  let pieceBytes = 0;
  for (const line of lines) {
    if (piece.length > 0 && pieceBytes + line.bytes.length > PIECE_BYTES_MAX) {
      yield piece;
      [piece, pieceBytes] = [[], 0];
    }
    piece.push(line);
    pieceBytes += line.bytes.length;
  }
  if (piece.length > 0) yield piece;
}
