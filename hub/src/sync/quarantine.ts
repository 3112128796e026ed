import { z } from 'zod';
import { code, queryInt, text, uuid } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import type { Tx } from '../database/unit-of-work.js';

export const workListQuery = z.strictObject({ ...pageQuery, branch: code.optional() });
export type WorkListQuery = z.infer<typeof workListQuery>;

/** `waiting`: open and held. `olderThanS`: set aside so many seconds ago or longer. */
export const quarantineQuery = z.strictObject({
  ...workListQuery.shape,
  state: z.enum(['waiting', 'open', 'held', 'mended', 'settled']).default('waiting'),
  code: text(40).optional(),
  olderThanS: queryInt(0, 1_000_000_000).default(0),
});
export type QuarantineQuery = z.infer<typeof quarantineQuery>;

/** A line without whose fact another is none; nulls: no line that would make it waits here, it has yet to come. */
export type MissingParent = { kind: string; key: string; incarnation: string | null; seq: number | null };

export type QuarantineItem = {
  id: string;
  branch: string;
  incarnation: string;
  seq: number;
  kind: string;
  key: string;
  code: string;
  detail: string;
  state: 'open' | 'held' | 'mended' | 'settled';
  /** What it waits for. */
  parents: MissingParent[];
  /** What the one who settled it said. */
  note: string | null;
  attempts: number;
  at: string;
  triedAt: string;
};

export type QuarantineRow = Omit<QuarantineItem, 'at' | 'triedAt'> & { at: Date; triedAt: Date };

/** Oldest first: what was set aside in these branches. */
export async function listQuarantine(
  tx: Tx,
  branchIds: readonly string[],
  page: QuarantineQuery,
  nowMs: number,
): Promise<Page<QuarantineItem>> {
  const [afterMs, afterId] = workListCursor(page);
  const states = page.state === 'waiting' ? ['open', 'held'] : [page.state];
  const beforeMs = nowMs - page.olderThanS * 1_000;
  const asked = [branchIds, afterMs, afterId, page.limit + 1, states, page.code ?? null, beforeMs];
  const rows = await tx.query<QuarantineRow>(LIST, asked);
  const keysOf = (row: QuarantineRow): [number, string] => [row.at.getTime(), row.id];
  return pageOf(rows, page.limit, keysOf, shownQuarantined);
}

export function shownQuarantined(row: QuarantineRow): QuarantineItem {
  return { ...row, at: row.at.toISOString(), triedAt: row.triedAt.toISOString() };
}

/** The end of the year 9999. */
const AT_MS_MAX = 253_402_300_799_999;

/** Within what a timestamp takes: a cursor comes from outside. */
const cursor = z.tuple([z.int().min(0).max(AT_MS_MAX), uuid]);

export function workListCursor({ after }: WorkListQuery): [atMs: number, id: string] {
  return after === undefined ? [-1, '00000000-0000-0000-0000-000000000000'] : decodeCursor(cursor, after);
}

const PARENTS = `
SELECT coalesce(jsonb_agg(jsonb_build_object('kind', split_part(w.name, ':', 1), 'key', substr(w.name, position(':' IN w.name) + 1),
    'incarnation', p.incarnation, 'seq', p.seq) ORDER BY w.no), '[]')
FROM unnest(q.waits_for) WITH ORDINALITY AS w (name, no)
LEFT JOIN LATERAL (SELECT p.incarnation, p.seq FROM quarantine p WHERE p.branch_id = q.branch_id AND p.state IN ('open', 'held')
  AND p.key = substr(w.name, position(':' IN w.name) + 1) AND p.kind = split_part(w.name, ':', 1) ORDER BY p.at, p.id LIMIT 1) p ON true`;

/** To be followed by a condition. */
export const SELECT_QUARANTINED = `
SELECT q.id, b.code AS branch, q.incarnation, q.seq, q.kind, q.key, q.code, q.detail, q.state, q.note, q.attempts, q.at, q.tried_at AS "triedAt",
  CASE WHEN q.state IN ('open', 'held') THEN (${PARENTS}) ELSE '[]' END AS parents
FROM quarantine q JOIN branch b ON b.id = q.branch_id`;

const LIST = `${SELECT_QUARANTINED}
WHERE q.branch_id = ANY ($1::uuid[]) AND q.state = ANY ($5::text[]) AND ($6::text IS NULL OR q.code = $6)
  AND q.at <= to_timestamp($7::bigint / 1000.0) AND (q.at, q.id) > (to_timestamp($2::bigint / 1000.0), $3::uuid)
ORDER BY q.at, q.id LIMIT $4`;
