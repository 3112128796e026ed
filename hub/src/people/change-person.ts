import { text } from '@branchline/http/fields.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import { recordAudit } from '../audit/record-audit.js';
import type { Tx } from '../database/unit-of-work.js';
import { grantSchema, keptGrants } from './grants.js';

export const personChange = z.strictObject({
  name: text(100).optional(),
  grants: z.array(grantSchema).min(1).max(50).optional(),
  active: z.boolean().optional(),
});

/** Whatever changes what one may do ends every access token at once, and being let go ends every sign-in. @throws Problem `not-found` */
export async function changePerson(
  tx: Tx,
  id: string,
  change: z.infer<typeof personChange>,
  actor: string,
  { nowMs, newId }: { nowMs: number; newId: NewId },
): Promise<void> {
  const grants = change.grants && JSON.stringify(await keptGrants(tx, change.grants));
  const changed = await tx.execute(CHANGE, [id, change.name ?? null, grants ?? null, change.active ?? null]);
  if (changed === 0) throw problem('not-found');
  if (change.active === false) {
    await tx.execute(
      `UPDATE refresh_family SET ended_at = $2, ended_because = 'let go' WHERE person_id = $1 AND ended_at IS NULL`,
      [id, new Date(nowMs)],
    );
  }
  // The name reaches a person, and what is in the audit is never taken out.
  const detail = { changed: Object.keys(change), grants: change.grants, active: change.active };
  const entry = { actor, action: 'person.change', subject: `person:${id}`, branchId: null, detail };
  await recordAudit(tx, entry, { nowMs, newId });
}

const CHANGE = `
UPDATE person
   SET name = coalesce($2, name), grants = coalesce($3::jsonb, grants), active = coalesce($4::boolean, active),
       token_version = token_version + CASE WHEN $3::jsonb IS NULL AND $4::boolean IS NULL THEN 0 ELSE 1 END
 WHERE id = $1`;
