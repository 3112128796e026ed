import { PUSH_BYTES_FIRST, PUSH_BYTES_MAX, PUSH_LINES_FIRST, PUSH_LINES_MAX } from '@branchline/replication/push.js';

/** Of a push: its lines, and their own bytes. As a bound both hold; one line is always taken. */
export type PushSize = { lines: number; bytes: number };

/** How the pushes of a process go, from one to the next; plain data. */
export type PushPace = {
  /** What the next one may hold. */
  size: PushSize;
  /** A push has met trouble since the start: from then on it grows by steps. */
  hadTrouble: boolean;
  /** The last one took its time: the next is no larger. */
  isSlow: boolean;
  /** So many have to get through, one at a time, before the next may be sent while one is under way. */
  aloneFor: number;
};

export const PUSH_SIZE_MAX: PushSize = { lines: PUSH_LINES_MAX, bytes: PUSH_BYTES_MAX };
/** A tenth of the whole, as the first push has. */
const STEP: PushSize = { lines: PUSH_LINES_FIRST, bytes: PUSH_BYTES_FIRST };
/** What takes longer than this grows no more: so much of the line's time, and about twice it, a break may cost. */
export const GROWS_WITHIN_MS = 5_000;
const ALONE_AFTER_TROUBLE = 4;

export function firstPace(max: PushSize): PushPace {
  return { size: within(STEP, max), hadTrouble: false, isSlow: false, aloneFor: 1 };
}

/** It was taken, and took so long. */
export function paceAfterSuccess(pace: PushPace, sent: PushSize, max: PushSize, tookMs: number): PushPace {
  const isSlow = tookMs > GROWS_WITHIN_MS;
  const size = sizeAhead({ ...pace, isSlow }, sent, max);
  return { size, hadTrouble: pace.hadTrouble, isSlow, aloneFor: Math.max(0, pace.aloneFor - 1) };
}

/**
 * What comes after a push, should it be taken. Only what was carried proves anything: after single sales the next backlog
 * begins as small as ever. Twice as much until something goes wrong, and then a step more each time, but never more than
 * twice: on a line that breaks after a hundred lines a step would be five pushes too much.
 */
export function sizeAhead({ size, hadTrouble, isSlow }: PushPace, sent: PushSize, max: PushSize): PushSize {
  if (isSlow) return size;
  const step = hadTrouble ? STEP : sent;
  const more = within(
    { lines: sent.lines + Math.min(sent.lines, step.lines), bytes: sent.bytes + Math.min(sent.bytes, step.bytes) },
    max,
  );
  return { lines: Math.max(size.lines, more.lines), bytes: Math.max(size.bytes, more.bytes) };
}

/** Halved from what was really sent: it may have been less than it might. In the end a push is one line. */
export function paceAfterTrouble(sent: PushSize): PushPace {
  const half = { lines: Math.floor(sent.lines / 2), bytes: Math.floor(sent.bytes / 2) };
  return { size: atLeastOne(half), hadTrouble: true, isSlow: false, aloneFor: ALONE_AFTER_TROUBLE };
}

/** What was sent ahead was not taken, and is sent again in its turn: its size is not to blame. */
export function paceAfterVainAhead(pace: PushPace): PushPace {
  return { ...pace, aloneFor: ALONE_AFTER_TROUBLE };
}

export function mayGoAhead({ aloneFor }: PushPace): boolean {
  return aloneFor === 0;
}

const within = ({ lines, bytes }: PushSize, max: PushSize): PushSize =>
  atLeastOne({ lines: Math.min(lines, max.lines), bytes: Math.min(bytes, max.bytes) });

const atLeastOne = ({ lines, bytes }: PushSize): PushSize => ({ lines: Math.max(1, lines), bytes: Math.max(1, bytes) });
