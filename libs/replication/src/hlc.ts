/** What twelve hex digits hold: some day of the year 10889. */
export const HLC_MS_MAX = 0xffff_ffff_ffff;
const COUNTER_MAX = 0xffff;

/**
 * Hybrid logical clock as text that sorts: `milliseconds-counter`, both hex. It never goes back, whatever the wall clock
 * does, and stays within the counter's room of it; past 65,535 events in one millisecond it borrows from the next. A clock
 * that is no time of this notation counts as its nearest end: beyond the last there is no later one, and what comes then has
 * the same. Nothing is refused for a clock.
 */
export function nextHlc(previous: string | null, nowMs: number): string {
  const [previousMs, counter] = previous === null ? [-1, 0] : parseHlc(previous);
  const ms = Math.min(Math.max(0, Math.trunc(nowMs)), HLC_MS_MAX);
  if (ms > previousMs) return formatHlc(ms, 0);
  if (counter < COUNTER_MAX) return formatHlc(previousMs, counter + 1);
  return previousMs < HLC_MS_MAX ? formatHlc(previousMs + 1, 0) : formatHlc(HLC_MS_MAX, COUNTER_MAX);
}

function parseHlc(text: string): [number, number] {
  return [Number.parseInt(text.slice(0, 12), 16), Number.parseInt(text.slice(13), 16)];
}

function formatHlc(ms: number, counter: number): string {
  return `${ms.toString(16).padStart(12, '0')}-${counter.toString(16).padStart(4, '0')}`;
}

/** The greatest there is of a millisecond: what lies beyond it is later than that moment. */
export function lastHlcOf(ms: number): string {
  return formatHlc(Math.min(Math.max(0, Math.trunc(ms)), HLC_MS_MAX), COUNTER_MAX);
}
