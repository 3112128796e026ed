import {
  EPOCHS_AHEAD_MAX,
  hasLine,
  highestEpochKnown,
  markIncarnationDue,
  type SeenLine,
} from '../store/incarnation.js';
import { readHead } from '../store/journal.js';
import type { ReadTx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { writeSyncLog } from './sync-log.js';

/** What a till has seen of the store's journal, or `none`; answered with where the journal stands. */
export const SEEN_HEADER = 'branchline-seen';
export const JOURNAL_HEADER = 'branchline-journal';

export type SeenByTill = SeenLine & { epoch: number };

const SEEN = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12});(\d{1,9});(\d{1,15});([0-9a-f]{64})$/;

/** `incarnation;epoch;seq;hash`. @returns null for what is no such thing */
export function parseSeen(header: string): SeenByTill | null {
  const [, incarnation, epoch, seq, hash] = SEEN.exec(header) ?? [];
  if (incarnation === undefined || hash === undefined) return null;
  return { incarnation, epoch: Number(epoch), seq: Number(seq), hash };
}

export function journalHeader(tx: ReadTx): string | null {
  const head = readHead(tx);
  return head && `${head.incarnation};${head.epoch};${head.seq};${head.hash}`;
}

/**
 * Whether a till was told of a line that this file lacks, and that what is written next could contradict: the file was
 * restored, and its witness with it. Of a history with an earlier epoch nothing is written any more; to one
 * far out of reach nobody has come.
 */
export function isAheadOf(tx: ReadTx, seen: SeenByTill): boolean {
  const head = readHead(tx);
  if (head !== null && head.incarnation !== seen.incarnation && seen.epoch < head.epoch) return false;
  if (seen.epoch > highestEpochKnown(tx) + EPOCHS_AHEAD_MAX) return false;
  return !hasLine(tx, seen);
}

/** Whoever holds a till's token can say this: so often at most it makes a history, and so much of it is remembered. */
const NEW_INCARNATION_MS_MIN = 60_000;
const MISSING_LINES_MAX = 64;

function isTooOften(tx: ReadTx, nowMs: number): boolean {
  const missing = tx.get<{ lines: number }>('SELECT count(*) AS lines FROM missing_line')?.lines ?? 0;
  if (missing > 0) return missing >= MISSING_LINES_MAX;
  const last = tx.get<{ at: number | null }>("SELECT max(at) AS at FROM sync_log WHERE event = 'till-ahead'")?.at;
  return typeof last === 'number' && Math.abs(nowMs - last) < NEW_INCARNATION_MS_MIN;
}

/** @returns whether nothing more is written to the head's incarnation for it */
export const noteSeen: LocalWrite<{ seen: SeenByTill; device: string }, boolean> = {
  name: 'note-seen',
  run(tx, { seen, device }, { clock }) {
    if (!isAheadOf(tx, seen)) return false;
    const nowMs = clock.now();
    if (isTooOften(tx, nowMs)) return false;
    const { incarnation, epoch, seq, hash } = seen;
    markIncarnationDue(tx, { reason: 'till-ahead', epochAbove: epoch, missing: { incarnation, seq, hash } });
    const detail = `device ${device} has seen line ${seq} of ${incarnation}, which this file lacks: it was restored. What is sold next opens a new incarnation`;
    writeSyncLog(tx, nowMs, { level: 'incident', event: 'till-ahead', detail });
    return true;
  },
};
