import { isOpaqueToken, newOpaqueToken } from '@branchline/access/opaque-token.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { hashToken } from '@branchline/access/refresh-token.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { sessionOf, type Session } from './refresh.js';
import { FAMILY_MS_MAX, lockPerson, startFamily, type SignInParts, type SignedIn } from './sign-in.js';

const DAY_S = 24 * 3_600;
export const linkInput = z.strictObject({ expiresInS: z.int().min(60).max(DAY_S).default(DAY_S) }).optional();
export type LinkInput = z.output<typeof linkInput>;

/** `confirm`: what `signed-in-otherwise` told this browser about this link. */
export const followedLink = z.strictObject({
  code: z.string().min(1).max(200),
  confirm: z.string().min(1).max(200).optional(),
});
export type FollowedLink = z.infer<typeof followedLink>;

/** Unused ones of one sign-in; the oldest gives way. */
const LINKS_MAX = 10;

export type CreatedLink = { code: string; expiresAt: string };

/**
 * A link with which the same person signs in elsewhere, once: from a program into a browser. The code is answered here and
 * stored as its hash; it goes into the fragment of the page's address, which no server and no log sees.
 * @throws Problem `unauthenticated` of a sign-in that is over
 */
export async function createSignInLink(
  tx: Tx,
  parts: Pick<SignInParts, 'clock' | 'randomBytes'>,
  who: PrincipalOf<'person'>,
  input: LinkInput,
): Promise<CreatedLink> {
  const nowMs = parts.clock.now();
  const asked = new Date(nowMs + (input?.expiresInS ?? DAY_S) * 1000);
  const { token: code, hash } = newOpaqueToken('bll', parts.randomBytes);
  await tx.execute(MAKE_ROOM, [who.sessionId, new Date(nowMs), LINKS_MAX - 1]);
  const values = [hash, who.sessionId, new Date(nowMs), asked, FAMILY_MS_MAX];
  const [created] = await tx.query<{ expiresAt: Date }>(CREATE, values);
  // Its access token outlives a sign-in by minutes: one of thirty days ago may be cleared away already.
  if (!created) throw problem('unauthenticated');
  return { code, expiresAt: created.expiresAt.toISOString() };
}

/** Not beyond its sign-in: access tokens of links of links would prolong each other for ever, refreshed or not. */
const CREATE = `
INSERT INTO sign_in_link (tenant_id, code_hash, family_id, created_at, expires_at)
SELECT f.tenant_id, $1, f.id, $3, least($4::timestamptz, f.started_at + $5::bigint * interval '1 millisecond') FROM refresh_family f WHERE f.id = $2 AND f.ended_at IS NULL
RETURNING expires_at AS "expiresAt"`;

const MAKE_ROOM = `
DELETE FROM sign_in_link l WHERE l.family_id = $1 AND (l.expires_at <= $2 OR l.used_at IS NOT NULL OR l.code_hash NOT IN (
  SELECT kept.code_hash FROM sign_in_link kept WHERE kept.family_id = $1 AND kept.used_at IS NULL AND kept.expires_at > $2
   ORDER BY kept.created_at DESC, kept.code_hash LIMIT $3))`;

/**
 * Nobody becomes somebody else by opening a link that was sent to him: a browser that is signed in as another person is
 * asked first, and its yes counts there and for this link only.
 *
 * @param held the refresh token that the browser holds
 * @throws Problem `link-invalid`, the same for an unknown, a used and an expired one; `signed-in-otherwise` with `confirm`,
 *   which leaves the link unused; `too-many-requests`
 */
export async function signInByLink(
  parts: SignInParts,
  { code, confirm }: FollowedLink,
  address: string,
  held?: string,
): Promise<SignedIn> {
  parts.throttle.takeOfAddress(address);
  if (!isOpaqueToken('bll', code)) throw problem('link-invalid');
  const codeHash = hashToken(code);
  const [found] = await parts.database.asOwner<{ tenant_id: string | null }>(
    'SELECT branchline_tenant_of_sign_in_link($1) AS tenant_id',
    [codeHash],
  );
  if (!found?.tenant_id) throw problem('link-invalid');
  const here = held === undefined ? undefined : await sessionOf(parts, held);
  const signedIn = await parts.database.transaction(found.tenant_id, async (tx) => {
    const link = await useLink(tx, codeHash, parts.clock.now());
    if (here && here.personId !== link.personId) assertConfirmed(here, link.email, { code, confirm });
    // As old as the sign-in it comes from: links of links never outlast the password's thirty days.
    return startFamily(tx, parts, link.personId, { id: link.familyId, startedAtMs: link.startedAt.getTime() });
  });
  parts.throttle.giveBackToAddress(address);
  return signedIn;
}

/** @throws Problem `signed-in-otherwise` */
function assertConfirmed(here: Session, becomes: string, { code, confirm }: FollowedLink): void {
  // Of the sign-in, not of the token, which another tab may renew while the person reads.
  const expected = hashToken(`${here.familyId} ${code}`);
  if (confirm === expected) return;
  const detail = `You are signed in here as ${here.email}. This link signs in ${becomes}.`;
  throw problem('signed-in-otherwise', detail, { members: { confirm: expected } });
}

type UsedLink = { personId: string; email: string; familyId: string; startedAt: Date };

/** @throws Problem `link-invalid` */
async function useLink(tx: Tx, codeHash: string, nowMs: number): Promise<UsedLink> {
  const [maker] = await tx.query<{ personId: string }>(MAKER, [codeHash]);
  if (!maker) throw problem('link-invalid');
  const { email, active } = await lockPerson(tx, maker.personId);
  const [link] = await tx.query<{ familyId: string; startedAt: Date }>(USE, [codeHash, new Date(nowMs)]);
  if (!active || !link) throw problem('link-invalid');
  return { ...maker, ...link, email };
}

const MAKER = `
SELECT f.person_id AS "personId"
  FROM sign_in_link l JOIN refresh_family f ON f.tenant_id = l.tenant_id AND f.id = l.family_id WHERE l.code_hash = $1`;

/** A statement of its own after the lock: it sees a sign-out, and another use, that came before. */
const USE = `
UPDATE sign_in_link l SET used_at = $2 FROM refresh_family f
 WHERE l.code_hash = $1 AND l.used_at IS NULL AND l.expires_at > $2
   AND f.tenant_id = l.tenant_id AND f.id = l.family_id AND f.ended_at IS NULL
RETURNING f.id AS "familyId", f.started_at AS "startedAt"`;
