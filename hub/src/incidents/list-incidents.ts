import { code, text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';

export const incidentQuery = z.strictObject({
  ...pageQuery,
  branch: code.optional(),
  code: text(100).optional(),
  state: z.enum(['open', 'closed', 'all']).default('open'),
});
export type IncidentQuery = z.infer<typeof incidentQuery>;

export const incidentItem = z.strictObject({
  id: z.uuid(),
  branch: z.string().nullable().meta({ description: 'null: of the whole chain' }),
  code: z.string(),
  key: z.string(),
  detail: z.string(),
  count: z.int().meta({ description: 'how often it was raised while it was open' }),
  firstAt: z.iso.datetime(),
  lastAt: z.iso.datetime(),
  closedAt: z.iso.datetime().nullable(),
  closedBy: z.string().nullable(),
  note: z.string().nullable(),
});
export type IncidentItem = z.infer<typeof incidentItem>;

/** Which incidents the asker may see: of these branches, and, where it may see all of the tenant's, of no branch. */
export type IncidentReach = { branchIds: readonly string[]; wholeTenant: boolean };

type Row = Omit<IncidentItem, 'firstAt' | 'lastAt' | 'closedAt'> & {
  firstAt: Date;
  lastAt: Date;
  closedAt: Date | null;
};

/** The end of the year 9999. */
const AT_MS_MAX = 253_402_300_799_999;
const cursor = z.tuple([z.int().min(0).max(AT_MS_MAX), uuid]);

/** Oldest first. */
export async function listIncidents(
  tx: Tx,
  { branchIds, wholeTenant }: IncidentReach,
  { code, state, limit, after }: IncidentQuery,
): Promise<Page<IncidentItem>> {
  const [afterMs, afterId] =
    after === undefined ? [-1, '00000000-0000-0000-0000-000000000000'] : decodeCursor(cursor, after);
  const asked = [branchIds, wholeTenant, code ?? null, state, afterMs, afterId, limit + 1];
  const rows = await tx.query<Row>(
    `${SELECT}
     WHERE (i.branch_id = ANY ($1::uuid[]) OR ($2 AND i.branch_id IS NULL)) AND ($3::text IS NULL OR i.code = $3)
       AND ($4 = 'all' OR (i.closed_at IS NULL) = ($4 = 'open'))
       AND (i.first_at, i.id) > (to_timestamp($5::bigint / 1000.0), $6::uuid)
     ORDER BY i.first_at, i.id LIMIT $7`,
    asked,
  );
  return pageOf(rows, limit, ({ firstAt, id }) => [firstAt.getTime(), id], shownIncident);
}

/** @returns undefined: there is none that the asker may see */
export async function findIncident(
  tx: Tx,
  id: string,
  { branchIds, wholeTenant }: IncidentReach,
): Promise<IncidentItem | undefined> {
  const rows = await tx.query<Row>(
    `${SELECT} WHERE i.id = $1 AND (i.branch_id = ANY ($2::uuid[]) OR ($3 AND i.branch_id IS NULL))`,
    [id, branchIds, wholeTenant],
  );
  return rows.map(shownIncident)[0];
}

const SELECT = `
SELECT i.id, b.code AS branch, i.code, i.key, i.detail, i.count, i.first_at AS "firstAt", i.last_at AS "lastAt", i.closed_at AS "closedAt",
  i.closed_by AS "closedBy", i.note
FROM incident i LEFT JOIN branch b ON b.id = i.branch_id`;

function shownIncident({ firstAt, lastAt, closedAt, ...row }: Row): IncidentItem {
  return {
    ...row,
    firstAt: firstAt.toISOString(),
    lastAt: lastAt.toISOString(),
    closedAt: closedAt?.toISOString() ?? null,
  };
}
