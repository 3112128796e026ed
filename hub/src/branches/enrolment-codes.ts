import { hashToken } from '@branchline/access/refresh-token.js';
import type { Clock } from '@branchline/domain/clock.js';
import { code } from '@branchline/http/fields.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';

export const enrolmentInput = z
  .strictObject({ for: z.enum(['box', 'device']), till: code.optional() })
  .refine((input) => (input.for === 'device') === (input.till !== undefined), {
    path: ['till'],
    message: 'a device is enrolled for a till, a box is not',
  });
export type EnrolmentInput = z.infer<typeof enrolmentInput>;

/** Crockford's base 32: no I, L, O, U, so that it can be read out over a telephone. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const GROUPS = 4;
const GROUP_CHARACTERS = 4;
const LIFETIME_MS = 24 * 3_600_000;
/** Expired ones of the branch are dropped once nobody would ask why any more. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** 80 random bits as `ABCD-EFGH-JKMN-PQRS`. */
export function newEnrolmentCode(randomBytes: (bytes: number) => Buffer): string {
  const characters = [...randomBytes(GROUPS * GROUP_CHARACTERS)]
    .map((byte) => ALPHABET[byte % ALPHABET.length])
    .join('');
  const groups = Array.from({ length: GROUPS }, (_, at) =>
    characters.slice(at * GROUP_CHARACTERS, (at + 1) * GROUP_CHARACTERS),
  );
  return groups.join('-');
}

/** The SHA-256 (hex) under which a code is known at the hub and travels to the edge: of the code exactly as it is shown. */
export function hashEnrolmentCode(shown: string): string {
  return hashToken(shown);
}

/** The code is answered once and stored as its hash. One for a device travels to the branch by feed, so that enrolling needs no line. */
export async function createEnrolmentCode(
  tx: Tx,
  branchId: string,
  input: EnrolmentInput,
  parts: { clock: Clock; randomBytes: (bytes: number) => Buffer },
): Promise<{ code: string; expiresAt: string }> {
  const nowMs = parts.clock.now();
  const expiresAtMs = nowMs + LIFETIME_MS;
  const shown = newEnrolmentCode(parts.randomBytes);
  const codeHash = hashEnrolmentCode(shown);
  await tx.execute('DELETE FROM enrolment_code WHERE branch_id = $1 AND expires_at < $2', [
    branchId,
    new Date(nowMs - KEPT_MS),
  ]);
  await tx.execute(
    `INSERT INTO enrolment_code (tenant_id, code_hash, branch_id, purpose, till, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [tx.tenantId, codeHash, branchId, input.for, input.till ?? null, new Date(nowMs), new Date(expiresAtMs)],
  );
  if (input.till !== undefined) {
    const body = { codeHash, till: input.till, expiresAt: expiresAtMs };
    await publish(tx, { scope: branchScope(branchId), kind: 'device-code', key: codeHash, body });
  }
  return { code: shown, expiresAt: new Date(expiresAtMs).toISOString() };
}
