/** Where time comes from. Handed in everywhere, so that tests and the simulation own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** A clock that stands where it is put; for tests and the simulation. */
export class ManualClock implements Clock {
  constructor(private instantMs: number) {}
  now(): number {
    return this.instantMs;
  }
  advance(ms: number): void {
    this.instantMs += ms;
  }
  set(instantMs: number): void {
    this.instantMs = instantMs;
  }
}
