import type { Tx } from '../database/unit-of-work.js';

export const FEED_CHANNEL = 'branchline_feed';

/** `scopes` null: more than fit, so any. */
export type FeedNotice = { tenant: string; scopes: readonly string[] | null };

/** PostgreSQL takes 7,999 bytes; scopes are ASCII. */
const PAYLOAD_BYTES_MAX = 7_900;

/**
 * Tells all hub processes which scopes have something new, if and when this transaction commits: heard by none before the
 * records can be read. Only the sequencer does it: commits that notify wait for each other in PostgreSQL.
 */
export async function notifyOfFeed(tx: Tx, scopes: readonly string[]): Promise<void> {
  const all = JSON.stringify({ tenant: tx.tenantId, scopes } satisfies FeedNotice);
  const payload = all.length <= PAYLOAD_BYTES_MAX ? all : JSON.stringify({ tenant: tx.tenantId, scopes: null });
  await tx.query('SELECT pg_notify($1, $2)', [FEED_CHANNEL, payload]);
}

/** Whoever may connect to the database can notify: null for what is not ours. */
export function readFeedNotice(payload: string): FeedNotice | null {
  try {
    const { tenant, scopes } = JSON.parse(payload) as Partial<Record<keyof FeedNotice, unknown>>;
    if (typeof tenant !== 'string') return null;
    if (scopes === null) return { tenant, scopes };
    if (!Array.isArray(scopes)) return null;
    return { tenant, scopes: scopes.filter((scope) => typeof scope === 'string') };
  } catch {
    return null;
  }
}

/** On the same channel: a box whose stream has to end now, at whichever process it is open. */
export async function notifyOfRevocation(tx: Tx, boxId: string): Promise<void> {
  await tx.query('SELECT pg_notify($1, $2)', [FEED_CHANNEL, JSON.stringify({ revoked: boxId })]);
}

/** On the same channel: boxes that are to prove themselves now. */
export async function notifyOfVerify(tx: Tx, boxIds: readonly string[]): Promise<void> {
  await tx.query('SELECT pg_notify($1, $2)', [FEED_CHANNEL, JSON.stringify({ verify: boxIds })]);
}

/** On the same channel: boxes of a branch of which another history has grown. */
export async function notifyOfHello(tx: Tx, boxIds: readonly string[]): Promise<void> {
  await tx.query('SELECT pg_notify($1, $2)', [
    FEED_CHANNEL,
    JSON.stringify({ hello: boxIds.slice(0, BOXES_TOLD_MAX) }),
  ]);
}

/** Of one branch; in a payload. */
const BOXES_TOLD_MAX = 100;

/** The boxes that are to say hello; none for what asks for nothing of the kind. */
export function readHello(payload: string): string[] {
  return boxesNamed(payload, 'hello');
}

/** The boxes that are to; none for what asks for nothing of the kind. */
export function readVerify(payload: string): string[] {
  return boxesNamed(payload, 'verify');
}

function boxesNamed(payload: string, what: 'hello' | 'verify'): string[] {
  try {
    const boxes = (JSON.parse(payload) as Partial<Record<typeof what, unknown>>)[what];
    return Array.isArray(boxes) ? boxes.filter((box) => typeof box === 'string') : [];
  } catch {
    return [];
  }
}

/** The box of a revocation, or null for what is none. */
export function readRevocation(payload: string): string | null {
  try {
    const { revoked } = JSON.parse(payload) as { revoked?: unknown };
    return typeof revoked === 'string' ? revoked : null;
  } catch {
    return null;
  }
}
