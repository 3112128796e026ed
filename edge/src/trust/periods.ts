export const DAY_MS = 24 * 60 * 60_000;

/**
 * No release is older: a clock that says less is wrong (boxes without a battery wake up in 1970). Every authority is good
 * from here on, whatever the clock said when it was made: nothing has to be trusted anew once the clock is put right.
 */
const CLOCK_MS_MIN = Date.UTC(2026, 0, 1);
/** A clock further ahead than this is not believed when ten years are promised from it. */
const AUTHORITY_BEGINS_MS_MAX = Date.UTC(2046, 0, 1);
const AUTHORITY_MS = 3_650 * DAY_MS;

/**
 * A server's certificate: 395 days in all. Apple's clients take at most 825 from an authority that somebody added
 * themselves, 398 from those they come with; the shorter limits of the CA/Browser Forum (200 days from March 2026) bind
 * public authorities only. A month backwards and two forwards are for tills whose own clock is wrong.
 */
const BACKDATED_MS = 30 * DAY_MS;
const VALID_MS = 365 * DAY_MS;
const RENEWED_BEFORE_MS = 60 * DAY_MS;
/** Trusting a new one takes a walk to every till, so people hear of it a year ahead. */
export const AUTHORITY_ALERT_MS = 365 * DAY_MS;

export type Period = { fromMs: number; toMs: number };

/**
 * What is taken for now when certificates are dated and judged. Of a clock that is wrong for certain, not before the
 * present certificate was issued: a box that wakes up in 1970 must not give up what is good today.
 */
export function believedNow(clockMs: number, present: Period | null): number {
  if (isClockBelievable(clockMs)) return clockMs;
  return Math.max(CLOCK_MS_MIN, present === null ? 0 : present.fromMs + BACKDATED_MS);
}

export function isClockBelievable(clockMs: number): boolean {
  return clockMs >= CLOCK_MS_MIN;
}

export function authorityPeriod(nowMs: number): Period {
  return { fromMs: CLOCK_MS_MIN, toMs: Math.min(nowMs, AUTHORITY_BEGINS_MS_MAX) + AUTHORITY_MS };
}

/** Never beyond its authority: nobody takes it then. */
export function certificatePeriod(nowMs: number, authority: Period): Period {
  return { fromMs: nowMs - BACKDATED_MS, toMs: Math.min(nowMs + VALID_MS, authority.toMs) };
}

/** Not yet valid, or ending and a new one would last a day longer at least. */
export function isRenewalDue(nowMs: number, present: Period, authority: Period): boolean {
  if (present.fromMs > nowMs) return true;
  if (present.toMs - nowMs >= RENEWED_BEFORE_MS) return false;
  return certificatePeriod(nowMs, authority).toMs - present.toMs >= DAY_MS;
}
