import { createHash } from 'node:crypto';

export type RetryBounds = { retryMsMin: number; retryMsMax: number };

/** A number in [0, 1): chance, handed in. */
export type Chance = () => number;

/**
 * How long to wait before the next try. Full jitter: anything up to min × 2^(attempts − 1), at most max, so that a
 * thousand boxes that lost the same hub do not come back in step. A time the hub named is a floor.
 *
 * @param attempts failed in a row, from 1
 */
export function retryDelayMs(
  attempts: number,
  bounds: RetryBounds,
  chance: Chance,
  retryAfterMs: number | null,
): number {
  const ceilingMs = Math.min(bounds.retryMsMax, bounds.retryMsMin * 2 ** Math.min(attempts - 1, 40));
  const jitterMs = Math.floor(chance() * ceilingMs);
  return retryAfterMs === null ? jitterMs : retryAfterMs + Math.min(jitterMs, bounds.retryMsMin);
}

/** Where in the poll's period a branch has its turn: spread by its id, the same after each restart. */
export function pollPhaseMs(branch: string, pollMs: number): number {
  return createHash('sha256').update(branch).digest().readUInt32BE(0) % pollMs;
}

/** Until the branch's next turn, and up to a tenth of the period later. */
export function pollDelayMs(nowMs: number, phaseMs: number, pollMs: number, chance: Chance): number {
  const untilTurnMs = pollMs - ((((nowMs - phaseMs) % pollMs) + pollMs) % pollMs);
  return untilTurnMs + Math.floor(chance() * (pollMs / 10));
}
