/** Provided by whoever pushes; without it nothing is ever SENT. */
export const IN_FLIGHT = Symbol('in-flight');

/** Both ends included. */
export type LineRange = { incarnationNo: number; fromSeq: number; lastSeq: number };

/** Which lines have left for the hub and are not acknowledged yet; two pushes fly at a time at most, one behind the other. */
export interface InFlight {
  linesInFlight(): LineRange | null;
}

export const NOTHING_IN_FLIGHT: InFlight = { linesInFlight: () => null };

export function isWithin(range: LineRange | null, incarnationNo: number, seq: number): boolean {
  return range !== null && range.incarnationNo === incarnationNo && seq >= range.fromSeq && seq <= range.lastSeq;
}
