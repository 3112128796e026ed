/** Null: never asked. Without a yes nothing may be sent, so that is stricter than a yes. */
export type Consent = 'granted' | 'denied' | null;

const STRICTNESS: Readonly<Record<string, number>> = { granted: 0, denied: 2 };
/** Never asked, and what this version does not know: no yes. */
const NO_YES = 1;

/** A total order, so that of any number of concurrent answers one is the strictest. */
export function isStricterConsent(one: string | null, other: string | null): boolean {
  const [a, b] = [strictness(one), strictness(other)];
  return a === b ? String(one) > String(other) : a > b;
}

function strictness(consent: string | null): number {
  return consent !== null && Object.hasOwn(STRICTNESS, consent) ? (STRICTNESS[consent] as number) : NO_YES;
}
