import type { AbilityName } from '@branchline/access/abilities.js';
import type { PasswordHasher } from '@branchline/access/password.js';
import { newRefreshToken } from '@branchline/access/refresh-token.js';
import { problem } from '@branchline/http/problem.js';
import { pepperedPin } from '@branchline/replication/pin.js';
import type { Store } from '../store/store.js';
import { ACCESS_LIFETIME_S, accessKey, accessToken } from './access-token.js';
import { abilitiesOf, activeOperator } from './operators.js';
import { beginSession, renewSession } from './session.js';
import { countSignIn } from './sign-in-lock.js';

export type SignInParts = {
  store: Store;
  hasher: PasswordHasher;
  newId: () => string;
  random: (bytes: number) => Buffer;
  nowMs: number;
};

export type SignedIn = {
  accessToken: string;
  refreshToken: string;
  expiresInS: number;
  operator: string;
  name: string;
  abilities: AbilityName[];
};

/**
 * `POST /v1/auth/pin`. Somebody unknown, somebody who works here no more and a wrong PIN are one answer, after the same
 * work; the count goes up before the PIN is looked at.
 *
 * @throws Problem locked-out, wrong-pin, busy
 */
export async function signInByPin(
  parts: SignInParts,
  { operator, pin }: { operator: string; pin: string },
  at: { deviceId: string; till: string },
): Promise<SignedIn> {
  const { store, hasher, nowMs } = parts;
  const attempt = await store.writer.write(countSignIn, { operator, till: at.till, nowMs });
  if (!attempt.allowed) {
    const retryAfterS = String(Math.ceil(attempt.retryAfterMs / 1000));
    throw problem('locked-out', undefined, { headers: { 'retry-after': retryAfterS } });
  }
  const known = activeOperator(store.reads, operator, store.box);
  const verifier = known?.pinVerifier ?? undefined;
  const isRight = await hasher.verify(verifier, pepperedPin(store.box.pepper, operator, pin));
  if (known === undefined || !isRight) throw problem('wrong-pin');
  const session = { family: parts.newId(), operator, device: at.deviceId };
  const refresh = newRefreshToken(parts.random);
  await store.writer.write(beginSession, { session, till: at.till, tokenHash: refresh.hash, nowMs });
  return signedIn(parts, { operator, device: at.deviceId, till: at.till }, refresh.token);
}

/** `POST /v1/auth/refresh`. @throws Problem refresh-reused (the family has ended), unauthenticated */
export async function refreshSignIn(parts: SignInParts, token: string): Promise<SignedIn> {
  const { store, nowMs } = parts;
  const next = newRefreshToken(parts.random);
  const renewal = await store.writer.write(renewSession, { token, nextHash: next.hash, nowMs });
  if (renewal.verdict !== 'renewed') throw problem(renewal.verdict === 'reused' ? 'refresh-reused' : 'unauthenticated');
  const { operator, device } = renewal.session;
  const till = store.reads.get<{ till: string }>('SELECT till FROM device WHERE id = ?', device)?.till;
  if (till === undefined) throw problem('unauthenticated');
  return signedIn(parts, { operator, device, till }, next.token);
}

function signedIn(
  { store, nowMs }: SignInParts,
  subject: { operator: string; device: string; till: string },
  refreshToken: string,
): SignedIn {
  const known = activeOperator(store.reads, subject.operator, store.box);
  if (known === undefined) throw problem('unauthenticated');
  return {
    accessToken: accessToken(accessKey(store.box), store.box, subject, nowMs),
    refreshToken,
    expiresInS: ACCESS_LIFETIME_S,
    operator: known.operator,
    name: known.name,
    abilities: abilitiesOf(known.grants),
  };
}
