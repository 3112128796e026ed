import { pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { lineOf } from '../worklists/conflict.js';
import { effectOf } from '../worklists/conflict-effects.js';
import { CONFLICT_TYPES, type ConflictType, type LineRef, type Strategy } from '../worklists/record-conflict.js';
import { workListCursor, workListQuery } from './quarantine.js';

/** `unsettled`: open and settling. */
export const conflictQuery = z.strictObject({
  ...workListQuery.shape,
  state: z.enum(['open', 'settling', 'unsettled', 'settled', 'all']).default('open'),
  type: z.enum(CONFLICT_TYPES).optional(),
});
export type ConflictQuery = z.infer<typeof conflictQuery>;

const STATES: Readonly<Record<ConflictQuery['state'], readonly string[]>> = {
  open: ['open'],
  settling: ['settling'],
  unsettled: ['open', 'settling'],
  settled: ['settled'],
  all: ['open', 'settling', 'settled'],
};

export type ConflictItem = {
  id: string;
  branch: string;
  type: ConflictType;
  kind: string;
  key: string;
  /** Lines of the branch's histories: which stands, and which came later. Null where it is not about two lines. */
  first: LineRef | null;
  second: LineRef | null;
  suggested: Strategy;
  reason: string;
  /** How it may be settled. */
  strategies: readonly Strategy[];
  /** `settling`: decided, and the branch has yet to write what follows. */
  state: 'open' | 'settling' | 'settled';
  strategy: Strategy | null;
  decidedBy: string | null;
  decidedAt: string | null;
  settledAt: string | null;
  at: string;
};

export type ConflictRow = Omit<ConflictItem, 'first' | 'second' | 'strategies' | 'decidedAt' | 'settledAt' | 'at'> & {
  firstIncarnation: string | null;
  firstSeq: number | null;
  secondIncarnation: string | null;
  secondSeq: number | null;
  decidedAt: Date | null;
  settledAt: Date | null;
  at: Date;
};

/** Oldest first. */
export async function listConflicts(
  tx: Tx,
  branchIds: readonly string[],
  page: ConflictQuery,
): Promise<Page<ConflictItem>> {
  const [afterMs, afterId] = workListCursor(page);
  const asked = [branchIds, afterMs, afterId, page.limit + 1, STATES[page.state], page.type ?? null];
  const rows = await tx.query<ConflictRow>(LIST, asked);
  const keysOf = (row: ConflictRow): [number, string] => [row.at.getTime(), row.id];
  return pageOf(rows, page.limit, keysOf, shownConflict);
}

export function shownConflict(row: ConflictRow): ConflictItem {
  const { firstIncarnation, firstSeq, secondIncarnation, secondSeq, at, decidedAt, settledAt, ...item } = row;
  return {
    ...item,
    first: lineOf(firstIncarnation, firstSeq),
    second: lineOf(secondIncarnation, secondSeq),
    strategies: effectOf(item.kind).strategies(item),
    decidedAt: decidedAt?.toISOString() ?? null,
    settledAt: settledAt?.toISOString() ?? null,
    at: at.toISOString(),
  };
}

/** To be followed by a condition. */
export const SELECT_CONFLICT = `
SELECT c.id, b.code AS branch, c.type, c.kind, c.key, c.first_incarnation AS "firstIncarnation", c.first_seq AS "firstSeq",
  c.second_incarnation AS "secondIncarnation", c.second_seq AS "secondSeq", c.suggested, c.reason, c.state, c.strategy,
  c.decided_by AS "decidedBy", c.decided_at AS "decidedAt", c.settled_at AS "settledAt", c.at
FROM conflict c JOIN branch b ON b.id = c.branch_id`;

const LIST = `${SELECT_CONFLICT}
WHERE c.branch_id = ANY ($1::uuid[]) AND c.state = ANY ($5::text[]) AND ($6::text IS NULL OR c.type = $6)
  AND (c.at, c.id) > (to_timestamp($2::bigint / 1000.0), $3::uuid)
ORDER BY c.at, c.id LIMIT $4`;
