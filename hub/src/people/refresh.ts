import { decideRefresh, hashToken, newRefreshToken, type RefreshDecision } from '@branchline/access/refresh-token.js';
import { problem } from '@branchline/http/problem.js';
import type { Tx } from '../database/unit-of-work.js';
import {
  FAMILY_MS_MAX,
  REFRESH_MS_MAX,
  answerFor,
  insertRefreshToken,
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
  const [found] = await parts.database.asOwner<{ tenant_id: string | null }>(
    'SELECT branchline_tenant_of_refresh_token($1) AS tenant_id',
    [presented],
  );
  if (!found?.tenant_id) throw problem('unauthenticated');
  // The refusal is thrown after the commit: a rollback would bring the family back to life.
  const { decision, signedIn } = await parts.database.transaction(found.tenant_id, (tx) =>
    rotate(tx, parts, presented),
  );
  if (signedIn) return signedIn;
  throw problem(decision === 'reuse' ? 'refresh-reused' : 'unauthenticated');
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

/** The family's row is the lock: of a hundred uses at once each sees what the one before it decided. */
async function lockToken(tx: Tx, presented: string): Promise<TokenRow | undefined> {
  await tx.query(LOCK_FAMILY, [presented]);
  const [row] = await tx.query<TokenRow>(READ_TOKEN, [presented]);
  return row;
}

const LOCK_FAMILY = `
SELECT f.id FROM refresh_family f JOIN refresh_token t ON t.tenant_id = f.tenant_id AND t.family_id = f.id
 WHERE t.token_hash = $1 FOR UPDATE OF f`;

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

export async function endFamily(tx: Tx, familyId: string, because: string, nowMs: number): Promise<void> {
  await tx.execute('UPDATE refresh_family SET ended_at = $2, ended_because = $3 WHERE id = $1 AND ended_at IS NULL', [
    familyId,
    new Date(nowMs),
    because,
  ]);
}

/** Ends the sign-in that the token belongs to. A token nobody knows has nothing to end: the answer is the same. */
export async function signOut(parts: Pick<SignInParts, 'database' | 'clock'>, refreshToken: string): Promise<void> {
  const presented = hashToken(refreshToken);
  const [found] = await parts.database.asOwner<{ tenant_id: string | null }>(
    'SELECT branchline_tenant_of_refresh_token($1) AS tenant_id',
    [presented],
  );
  if (!found?.tenant_id) return;
  await parts.database.transaction(found.tenant_id, async (tx) => {
    const row = await lockToken(tx, presented);
    if (row) await endFamily(tx, row.family_id, 'sign-out', parts.clock.now());
  });
}
