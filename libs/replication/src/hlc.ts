/**
 * Hybrid logical clock as text that sorts: `milliseconds-counter`, both hex. It never goes back, whatever the wall clock
 * does, and stays within the counter's room of it; past 65,535 events in one millisecond it borrows from the next.
 */
export function nextHlc(previous: string | null, nowMs: number): string {
  const [previousMs, counter] = previous === null ? [-1, 0] : parseHlc(previous);
  if (nowMs > previousMs) return formatHlc(nowMs, 0);
  if (counter < 0xffff) return formatHlc(previousMs, counter + 1);
  return formatHlc(previousMs + 1, 0);
}

function parseHlc(text: string): [number, number] {
  return [Number.parseInt(text.slice(0, 12), 16), Number.parseInt(text.slice(13), 16)];
}

function formatHlc(ms: number, counter: number): string {
  return `${ms.toString(16).padStart(12, '0')}-${counter.toString(16).padStart(4, '0')}`;
}

/** The greatest there is of a millisecond: what lies beyond it is later than that moment. */
export function lastHlcOf(ms: number): string {
  return formatHlc(ms, 0xffff);
}
