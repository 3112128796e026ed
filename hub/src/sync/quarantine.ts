import { z } from 'zod';
import { code, uuid } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import type { Tx } from '../database/unit-of-work.js';

export const workListQuery = z.strictObject({ ...pageQuery, branch: code.optional() });
export type WorkListQuery = z.infer<typeof workListQuery>;

export type QuarantineItem = {
  id: string;
  branch: string;
  incarnation: string;
  seq: number;
  kind: string;
  key: string;
  code: string;
  detail: string;
  state: 'open' | 'held';
  attempts: number;
  at: string;
  triedAt: string;
};

type Row = Omit<QuarantineItem, 'at' | 'triedAt'> & { at: Date; triedAt: Date };

/** Oldest first: what was set aside and still waits, in these branches. */
export async function listQuarantine(
  tx: Tx,
  branchIds: readonly string[],
  page: WorkListQuery,
): Promise<Page<QuarantineItem>> {
  const [afterMs, afterId] = workListCursor(page);
  const rows = await tx.query<Row>(LIST, [branchIds, afterMs, afterId, page.limit + 1]);
  const keysOf = (row: Row): [number, string] => [row.at.getTime(), row.id];
  return pageOf(rows, page.limit, keysOf, (row) => ({
    ...row,
    at: row.at.toISOString(),
    triedAt: row.triedAt.toISOString(),
  }));
}

/** The end of the year 9999. */
const AT_MS_MAX = 253_402_300_799_999;

/** Within what a timestamp takes: a cursor comes from outside. */
const cursor = z.tuple([z.int().min(0).max(AT_MS_MAX), uuid]);

export function workListCursor({ after }: WorkListQuery): [atMs: number, id: string] {
  return after === undefined ? [-1, '00000000-0000-0000-0000-000000000000'] : decodeCursor(cursor, after);
}

const LIST = `
SELECT q.id, b.code AS branch, q.incarnation, q.seq, q.kind, q.key, q.code, q.detail, q.state, q.attempts, q.at, q.tried_at AS "triedAt"
FROM quarantine q JOIN branch b ON b.id = q.branch_id
WHERE q.branch_id = ANY ($1::uuid[]) AND q.state <> 'mended' AND (q.at, q.id) > (to_timestamp($2::bigint / 1000.0), $3::uuid)
ORDER BY q.at, q.id LIMIT $4`;
