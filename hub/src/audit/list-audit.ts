import { code, instant, text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';

export const auditQuery = z.strictObject({
  ...pageQuery,
  actor: text(100).optional(),
  action: text(100).optional(),
  branch: code.optional(),
  from: instant.optional(),
  to: instant.optional(),
});
export type AuditQuery = z.infer<typeof auditQuery>;

export const auditItem = z.strictObject({
  seq: z.int().meta({ description: 'place in the chain of the tenant, dense from 1' }),
  id: z.uuid(),
  at: z.iso.datetime(),
  actor: z.string().meta({ description: 'person:ID, integration:ID, box:ID or hub' }),
  actorName: z.string().nullable().meta({ description: 'what that one is called now' }),
  action: z.string(),
  subject: z.string(),
  branch: z.string().nullable().meta({ description: 'null: of the whole chain' }),
  detail: z.record(z.string(), z.unknown()),
  hash: z.string(),
});
export type AuditItem = z.infer<typeof auditItem>;

/** Which entries the asker may see: of these branches, and, where he may read all of the tenant's, of no branch. */
export type AuditReach = { branchIds: readonly string[]; wholeTenant: boolean };

type Row = Omit<AuditItem, 'at' | 'actorName'> & { at: Date; actorName: string | null };

/** Newest first; both ends of the time are part of it. */
export async function listAudit(
  tx: Tx,
  { branchIds, wholeTenant }: AuditReach,
  { actor, action, from, to, limit, after }: AuditQuery,
): Promise<Page<AuditItem>> {
  const [beforeSeq] = after === undefined ? [Number.MAX_SAFE_INTEGER] : decodeCursor(z.tuple([z.int().min(1)]), after);
  const rows = await tx.query<Row>(LIST, [
    branchIds,
    wholeTenant,
    actor ?? null,
    action ?? null,
    from ?? null,
    to ?? null,
    beforeSeq,
    limit + 1,
  ]);
  return pageOf(
    rows,
    limit,
    ({ seq }) => [seq],
    (row) => ({ ...row, at: row.at.toISOString() }),
  );
}

/** `actor`: as it is recorded, or a person by the e-mail. */
const LIST = `
SELECT a.seq, a.id, a.at, a.actor, coalesce(p.email, i.name) AS "actorName", a.action, a.subject, b.code AS branch, a.detail,
  encode(a.hash, 'hex') AS hash
FROM audit_entry a
LEFT JOIN branch b ON b.id = a.branch_id
LEFT JOIN person p ON a.actor = 'person:' || p.id
LEFT JOIN integration i ON a.actor = 'integration:' || i.id
WHERE (a.branch_id = ANY ($1::uuid[]) OR ($2 AND a.branch_id IS NULL))
  AND ($3::text IS NULL OR a.actor = $3 OR a.actor = (SELECT 'person:' || s.id FROM person s WHERE s.email = lower($3)))
  AND ($4::text IS NULL OR a.action = $4)
  AND ($5::timestamptz IS NULL OR a.at >= $5) AND ($6::timestamptz IS NULL OR a.at <= $6)
  AND a.seq < $7 ORDER BY a.seq DESC LIMIT $8`;
