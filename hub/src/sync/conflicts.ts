import { pageOf, type Page } from '@branchline/http/pagination.js';
import type { Tx } from '../database/unit-of-work.js';
import { workListCursor, type WorkListQuery } from './quarantine.js';

export type ConflictItem = {
  id: string;
  branch: string;
  type: 'duplicate' | 'data_mismatch' | 'constraint_violation';
  kind: string;
  key: string;
  /** Lines of the branch's histories: which stands, and which came later. */
  first: { incarnation: string; seq: number };
  second: { incarnation: string; seq: number };
  suggested: 'keep_hub' | 'keep_branch' | 'merge';
  reason: string;
  state: string;
  at: string;
};

type Row = Omit<ConflictItem, 'first' | 'second' | 'at'> & {
  firstIncarnation: string;
  firstSeq: number;
  secondIncarnation: string;
  secondSeq: number;
  at: Date;
};

/** Oldest first: conflicts of these branches that nobody has decided. */
export async function listConflicts(
  tx: Tx,
  branchIds: readonly string[],
  page: WorkListQuery,
): Promise<Page<ConflictItem>> {
  const [afterMs, afterId] = workListCursor(page);
  const rows = await tx.query<Row>(LIST, [branchIds, afterMs, afterId, page.limit + 1]);
  const keysOf = (row: Row): [number, string] => [row.at.getTime(), row.id];
  return pageOf(
    rows,
    page.limit,
    keysOf,
    ({ firstIncarnation, firstSeq, secondIncarnation, secondSeq, at, ...row }) => ({
      ...row,
      first: { incarnation: firstIncarnation, seq: firstSeq },
      second: { incarnation: secondIncarnation, seq: secondSeq },
      at: at.toISOString(),
    }),
  );
}

const LIST = `
SELECT c.id, b.code AS branch, c.type, c.kind, c.key, c.first_incarnation AS "firstIncarnation", c.first_seq AS "firstSeq",
  c.second_incarnation AS "secondIncarnation", c.second_seq AS "secondSeq", c.suggested, c.reason, c.state, c.at
FROM conflict c JOIN branch b ON b.id = c.branch_id
WHERE c.branch_id = ANY ($1::uuid[]) AND c.state = 'open' AND (c.at, c.id) > (to_timestamp($2::bigint / 1000.0), $3::uuid)
ORDER BY c.at, c.id LIMIT $4`;
