import { problem } from '@branchline/http/problem.js';
import { constraintOf } from '../database/unit-of-work.js';
import { insertPerson, newPassword, type PersonParts } from './create-person.js';

export type TenantInput = { code: string; name: string; currency: string; adminEmail: string };
export type CreatedTenant = { tenant: string; email: string; password: string };

/** A tenant and its first administrator, whose secret is made here and told once. @throws Problem `already-exists` */
export async function createTenant(parts: PersonParts, input: TenantInput): Promise<CreatedTenant> {
  const tenantId = parts.newId();
  const email = input.adminEmail.toLowerCase();
  const password = newPassword(parts.randomBytes);
  const passwordHash = await parts.passwords.hash(password);
  const nowMs = parts.clock.now();
  try {
    await parts.database.transaction(tenantId, async (tx) => {
      await tx.execute('INSERT INTO tenant (tenant_id, code, name, currency, created_at) VALUES ($1, $2, $3, $4, $5)', [
        tenantId,
        input.code,
        input.name,
        input.currency,
        new Date(nowMs),
      ]);
      const grants = [{ role: 'administrator', scope: 'tenant' as const }];
      await insertPerson(tx, { id: parts.newId(), email, name: 'Administrator', passwordHash, grants, nowMs });
    });
  } catch (error) {
    if (constraintOf(error) === 'tenant_code_is_taken')
      throw problem('already-exists', `There is a tenant ${input.code}.`);
    if (constraintOf(error) === 'person_email_is_taken') throw problem('already-exists', `There is a person ${email}.`);
    throw error;
  }
  return { tenant: input.code, email, password };
}
