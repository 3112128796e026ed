import type { PasswordHasher } from '@branchline/access/password.js';
import type { Grant } from '@branchline/access/roles.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import { constraintOf, type Database, type Tx } from '../database/unit-of-work.js';
import { grantSchema, keptGrants } from './grants.js';

export const emailSchema = z.email().max(254);
/** Length is what counts: NIST SP 800-63B asks for no other rule. */
const passwordSchema = z.string().min(12).max(200);

export const personInput = z.strictObject({
  email: emailSchema,
  name: text(100),
  /** Left out: one is made and answered once. */
  password: passwordSchema.optional(),
  grants: z.array(grantSchema).min(1).max(50),
});
export type PersonInput = z.infer<typeof personInput>;

export type PersonParts = {
  database: Database;
  clock: Clock;
  newId: NewId;
  randomBytes: (bytes: number) => Buffer;
  passwords: PasswordHasher;
};

const SECRET_BYTES = 18;

/** 144 random bits, for a first sign-in. */
export function newPassword(randomBytes: (bytes: number) => Buffer): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

export type CreatedPerson = {
  id: string;
  email: string;
  name: string;
  grants: PersonInput['grants'];
  password?: string;
};

/** @throws Problem `already-exists`: an e-mail stands for one person of the whole hub; `invalid-field` */
export async function createPerson(
  parts: PersonParts,
  tenantId: string,
  input: PersonInput,
  actor: string,
): Promise<CreatedPerson> {
  const password = input.password ?? newPassword(parts.randomBytes);
  const passwordHash = await parts.passwords.hash(password);
  const id = parts.newId();
  const email = input.email.toLowerCase();
  try {
    await parts.database.transaction(tenantId, async (tx) => {
      const grants = await keptGrants(tx, input.grants);
      const nowMs = parts.clock.now();
      await insertPerson(tx, { id, email, name: input.name, passwordHash, grants, nowMs });
      const entry = { actor, action: 'person.create', subject: `person:${id}`, branchId: null, detail: { grants } };
      await recordAudit(tx, entry, { nowMs, newId: parts.newId });
    });
  } catch (error) {
    if (constraintOf(error) === 'person_email_is_taken')
      throw problem('already-exists', 'There is a person with this e-mail.');
    throw error;
  }
  return { id, email, name: input.name, grants: input.grants, ...(input.password === undefined && { password }) };
}

export async function insertPerson(
  tx: Tx,
  person: { id: string; email: string; name: string; passwordHash: string; grants: Grant[]; nowMs: number },
): Promise<void> {
  await tx.execute(
    `INSERT INTO person (tenant_id, id, email, name, password_hash, grants, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      tx.tenantId,
      person.id,
      person.email,
      person.name,
      person.passwordHash,
      JSON.stringify(person.grants),
      new Date(person.nowMs),
    ],
  );
}
