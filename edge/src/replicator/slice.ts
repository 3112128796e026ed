/**
 * A slice takes so many rows whatever the time, goes on as long as it is young, and ends at the latest at the last bound:
 * each slice costs a commit, and with 50 rows each a catalogue of 100,000 spent most of its time in 2,000 of them.
 */
export const SLICE_ROWS_MIN = 50;
export const SLICE_MS_MAX = 4;
export const SLICE_ROWS_MAX = 500;

/** Milliseconds from any start; only differences count. */
export type Stopwatch = () => number;
