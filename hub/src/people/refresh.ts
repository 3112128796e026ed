import { decideRefresh, hashToken, newRefreshToken, type RefreshDecision } from '@branchline/access/refresh-token.js';
import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import {
  FAMILY_MS_MAX,
  REFRESH_MS_MAX,
  answerFor,
  insertRefreshToken,
  lockPerson,
  type SignInParts,
  type SignedIn,
} from './sign-in.js';

type TokenRow = {
  family_id: string;
  person_id: string;
  started_at: Date;
  ended_at: Date | null;
  expires_at: Date;
  used_at: Date | null;
  grace_used_at: Date | null;
  voided_at: Date | null;
  successor_hash: string | null;
  successor_used: boolean;
};

type Outcome = { decision: RefreshDecision; signedIn?: SignedIn };

/**
 * A refresh token is used once. Used twice it has been copied, and the whole sign-in ends; only a reply that was lost is forgiven, once.
 *
 * @throws Problem `unauthenticated`, `refresh-reused`
 */
export async function refresh(parts: SignInParts, refreshToken: string): Promise<SignedIn> {
  const presented = hashToken(refreshToken);
  const tenantId = await tenantOf(parts.database, presented);
  if (tenantId === null) throw problem('unauthenticated');
  // The refusal is thrown after the commit: a rollback would bring the family back to life.
  const { decision, signedIn } = await parts.database.transaction(tenantId, (tx) => rotate(tx, parts, presented));
  if (signedIn) return signedIn;
  throw problem(decision === 'reuse' ? 'refresh-reused' : 'unauthenticated');
}

/** Asked before a tenant is known: null for a token that nobody knows. */
async function tenantOf(database: SignInParts['database'], presented: string): Promise<string | null> {
  const [found] = await database.asOwner<{ tenant_id: string | null }>(
    'SELECT branchline_tenant_of_refresh_token($1) AS tenant_id',
    [presented],
  );
  return found?.tenant_id ?? null;
}

async function rotate(tx: Tx, parts: SignInParts, presented: string): Promise<Outcome> {
  const nowMs = parts.clock.now();
  const row = await lockToken(tx, presented);
  const decision = decideRefresh(row && stateOf(row), nowMs);
  if (!row || decision === 'unknown' || decision === 'expired') return { decision };
  if (decision === 'reuse') {
    await endFamily(tx, row.family_id, 'reuse', nowMs);
    return { decision };
  }
  if (decision === 'grace') await voidSuccessor(tx, row, nowMs);
  const successor = newRefreshToken(parts.randomBytes);
  const expiresAtMs = Math.min(nowMs + REFRESH_MS_MAX, row.started_at.getTime() + FAMILY_MS_MAX);
  await insertRefreshToken(tx, { hash: successor.hash, familyId: row.family_id, nowMs, expiresAtMs });
  await tx.execute(MARK_USED, [presented, new Date(nowMs), successor.hash, decision === 'grace']);
  const session = { personId: row.person_id, familyId: row.family_id, refreshToken: successor.token };
  return { decision, signedIn: await answerFor(tx, parts.tokens, session) };
}

/** Of a hundred uses at once each sees what the one before it decided. */
async function lockToken(tx: Tx, presented: string): Promise<TokenRow | undefined> {
  const [of] = await tx.query<{ personId: string }>(PERSON_OF_TOKEN, [presented]);
  if (!of) return undefined;
  await lockPerson(tx, of.personId);
  const [row] = await tx.query<TokenRow>(READ_TOKEN, [presented]);
  return row;
}

const PERSON_OF_TOKEN = `
SELECT f.person_id AS "personId"
  FROM refresh_token t JOIN refresh_family f ON f.tenant_id = t.tenant_id AND f.id = t.family_id
 WHERE t.token_hash = $1`;

/** A statement of its own: it must see what was committed while the lock was waited for. */
const READ_TOKEN = `
SELECT t.family_id, f.person_id, f.started_at, f.ended_at, t.expires_at, t.used_at, t.grace_used_at, t.voided_at, t.successor_hash,
       coalesce(s.used_at IS NOT NULL, false) AS successor_used
  FROM refresh_token t
  JOIN refresh_family f ON f.tenant_id = t.tenant_id AND f.id = t.family_id
  LEFT JOIN refresh_token s ON s.tenant_id = t.tenant_id AND s.token_hash = t.successor_hash
 WHERE t.token_hash = $1`;

const MARK_USED = `
UPDATE refresh_token
   SET used_at = coalesce(used_at, $2), successor_hash = $3, grace_used_at = CASE WHEN $4 THEN $2::timestamptz ELSE grace_used_at END
 WHERE token_hash = $1`;

function stateOf(row: TokenRow): Parameters<typeof decideRefresh>[0] {
  return {
    expiresAtMs: row.expires_at.getTime(),
    familyEndedAtMs: row.ended_at?.getTime() ?? null,
    usedAtMs: row.used_at?.getTime() ?? null,
    graceAtMs: row.grace_used_at?.getTime() ?? null,
    voidedAtMs: row.voided_at?.getTime() ?? null,
    successorUsed: row.successor_used,
  };
}

async function voidSuccessor(tx: Tx, row: TokenRow, nowMs: number): Promise<void> {
  await tx.execute('UPDATE refresh_token SET voided_at = $2 WHERE token_hash = $1', [
    row.successor_hash,
    new Date(nowMs),
  ]);
}

/** With all that links of it have opened, and links of those. The person's row is locked: none is being opened meanwhile. */
async function endFamily(tx: Tx, familyId: string, because: string, nowMs: number): Promise<void> {
  await tx.execute(END, [familyId, new Date(nowMs), because]);
}

const END = `
WITH RECURSIVE ending (id) AS (
  SELECT $1::uuid
  UNION ALL
  SELECT child.id FROM ending JOIN refresh_family child ON child.parent_id = ending.id
)
UPDATE refresh_family f SET ended_at = $2, ended_because = $3 FROM ending WHERE f.id = ending.id AND f.ended_at IS NULL`;

export type Session = { familyId: string; personId: string; email: string };

/** Whose sign-in a refresh token holds that has not ended; nothing of it is used. */
export async function sessionOf(
  { database, clock }: Pick<SignInParts, 'database' | 'clock'>,
  refreshToken: string,
): Promise<Session | undefined> {
  const presented = hashToken(refreshToken);
  const tenantId = await tenantOf(database, presented);
  if (tenantId === null) return undefined;
  const [session] = await database.transaction(tenantId, (tx) =>
    tx.query<Session>(LIVE_SESSION, [presented, new Date(clock.now())]),
  );
  return session;
}

const LIVE_SESSION = `
SELECT f.id AS "familyId", p.id AS "personId", p.email
  FROM refresh_token t
  JOIN refresh_family f ON f.tenant_id = t.tenant_id AND f.id = t.family_id
  JOIN person p ON p.tenant_id = f.tenant_id AND p.id = f.person_id
 WHERE t.token_hash = $1 AND t.expires_at > $2 AND f.ended_at IS NULL AND p.active`;

/** Ends the sign-in that the token belongs to. A token nobody knows has nothing to end: the answer is the same. */
export async function signOut(parts: Pick<SignInParts, 'database' | 'clock'>, refreshToken: string): Promise<void> {
  const presented = hashToken(refreshToken);
  const tenantId = await tenantOf(parts.database, presented);
  if (tenantId === null) return;
  await parts.database.transaction(tenantId, async (tx) => {
    const row = await lockToken(tx, presented);
    if (row) await endFamily(tx, row.family_id, 'sign-out', parts.clock.now());
  });
}
