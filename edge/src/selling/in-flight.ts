/** Provided by whoever pushes; without it nothing is ever SENT. */
export const IN_FLIGHT = Symbol('in-flight');

/** Which lines have left for the hub and are not acknowledged yet. */
export interface InFlight {
  isInFlight(incarnationNo: number, seq: number): boolean;
}

export const NOTHING_IN_FLIGHT: InFlight = { isInFlight: () => false };
