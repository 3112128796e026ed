import type { PasswordHasher } from '@branchline/access/password.js';
import { newRefreshToken } from '@branchline/access/refresh-token.js';
import type { Grant } from '@branchline/access/roles.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { grantShower } from './grants.js';
import type { SignInThrottle } from './sign-in-throttle.js';
import { ACCESS_TOKEN_S, type PersonTokens } from './tokens.js';

export const REFRESH_MS_MAX = 7 * 24 * 3_600_000;
/** However often it is refreshed: after this one signs in again. */
export const FAMILY_MS_MAX = 30 * 24 * 3_600_000;

export type SignedIn = {
  accessToken: string;
  refreshToken: string;
  expiresInS: number;
  person: { email: string; name: string; grants: Grant[] };
};

export type SignInParts = {
  database: Database;
  clock: Clock;
  newId: NewId;
  randomBytes: (bytes: number) => Buffer;
  passwords: PasswordHasher;
  tokens: PersonTokens;
  throttle: SignInThrottle;
};

type FoundPerson = { tenant_id: string; id: string; password_hash: string; active: boolean };

/** @throws Problem `wrong-credentials`, the same for an unknown e-mail, a wrong password and a person who left; `too-many-requests` */
export async function signIn(
  parts: SignInParts,
  input: { email: string; password: string },
  address: string,
): Promise<SignedIn> {
  const email = input.email.toLowerCase();
  parts.throttle.take(email, address);
  const [found] = await parts.database.asOwner<FoundPerson>('SELECT * FROM branchline_person_for_sign_in($1)', [email]);
  const matches = await parts.passwords.verify(found?.password_hash, input.password);
  if (!found || !matches || !found.active) throw problem('wrong-credentials');
  parts.throttle.giveBack(email, address);
  return parts.database.transaction(found.tenant_id, async (tx) => {
    // Again, now that nothing else can be decided of this person: who is let go meanwhile must not be in afterwards.
    if (!(await lockPerson(tx, found.id)).active) throw problem('wrong-credentials');
    return startFamily(tx, parts, found.id);
  });
}

/**
 * The person's row is the lock of all his sign-ins: each that begins, is renewed or ends sees what was decided before it,
 * and letting the person go waits for none that it could miss.
 */
export function lockPerson(tx: Tx, personId: string): Promise<{ email: string; active: boolean }> {
  return tx.one('SELECT email, active FROM person WHERE id = $1 FOR NO KEY UPDATE', [personId]);
}

/**
 * For a person whose row is locked.
 *
 * @param parent the sign-in whose link it is: the password is trusted since then, and what ends that one ends this one
 */
export async function startFamily(
  tx: Tx,
  parts: Pick<SignInParts, 'clock' | 'newId' | 'randomBytes' | 'tokens'>,
  personId: string,
  parent?: { id: string; startedAtMs: number },
): Promise<SignedIn> {
  const nowMs = parts.clock.now();
  const startedAtMs = parent?.startedAtMs ?? nowMs;
  const familyId = parts.newId();
  await tx.execute(`DELETE FROM refresh_family WHERE person_id = $1 AND started_at < $2`, [
    personId,
    new Date(nowMs - FAMILY_MS_MAX),
  ]);
  await tx.execute(
    'INSERT INTO refresh_family (tenant_id, id, person_id, started_at, parent_id) VALUES ($1, $2, $3, $4, $5)',
    [tx.tenantId, familyId, personId, new Date(startedAtMs), parent?.id ?? null],
  );
  const refresh = newRefreshToken(parts.randomBytes);
  const expiresAtMs = Math.min(nowMs + REFRESH_MS_MAX, startedAtMs + FAMILY_MS_MAX);
  await insertRefreshToken(tx, { hash: refresh.hash, familyId, nowMs, expiresAtMs });
  return answerFor(tx, parts.tokens, { personId, familyId, refreshToken: refresh.token });
}

export async function insertRefreshToken(
  tx: Tx,
  token: { hash: string; familyId: string; nowMs: number; expiresAtMs: number },
): Promise<void> {
  await tx.execute(
    'INSERT INTO refresh_token (tenant_id, token_hash, family_id, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5)',
    [tx.tenantId, token.hash, token.familyId, new Date(token.nowMs), new Date(token.expiresAtMs)],
  );
}

type PersonNow = { email: string; name: string; grants: Grant[]; token_version: number; active: boolean };

/** @throws Problem `unauthenticated` for a person who was let go since */
export async function answerFor(
  tx: Tx,
  tokens: PersonTokens,
  session: { personId: string; familyId: string; refreshToken: string },
): Promise<SignedIn> {
  const person = await tx.one<PersonNow>(
    'SELECT email, name, grants, token_version, active FROM person WHERE id = $1',
    [session.personId],
  );
  if (!person.active) throw problem('unauthenticated');
  const accessToken = tokens.sign({
    id: session.personId,
    tenantId: tx.tenantId,
    tokenVersion: person.token_version,
    familyId: session.familyId,
  });
  const show = await grantShower(tx, [person.grants]);
  return {
    accessToken,
    refreshToken: session.refreshToken,
    expiresInS: ACCESS_TOKEN_S,
    person: { email: person.email, name: person.name, grants: show(person.grants) },
  };
}
