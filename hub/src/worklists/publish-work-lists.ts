import type { FeedBody } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';

/** Of each list; how many there are in all is told beside. Ten thousand lines set aside are one record of some kilobytes. */
const ITEMS_MAX = 50;
/** What is more is told as so many: to count 37,000 with each push that sets one aside took 150 ms each time. */
export const COUNTED_MAX = 1_000;
const DETAIL_CHARACTERS_MAX = 200;

type Lists = FeedBody<'work-lists'>;

/**
 * Tells the branch what is set aside or disputed of it, whole and bounded, in the transaction that changed it. The caller
 * holds the branch, so that what is told last is what is so.
 */
export async function publishWorkLists(tx: Tx, branchId: string, nowMs: number): Promise<void> {
  const body: Lists = {
    at: nowMs,
    quarantine: await tx.one<Lists['quarantine']>(QUARANTINE, [branchId]),
    conflicts: await tx.one<Lists['conflicts']>(CONFLICTS, [branchId]),
  };
  await publish(tx, { scope: branchScope(branchId), kind: 'work-lists', key: 'lists', body });
}

const ms = (column: string): string => `(extract(epoch FROM ${column}) * 1000)::bigint`;

export const QUARANTINE = `
SELECT (SELECT count(*) FROM (SELECT FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held') LIMIT ${COUNTED_MAX}) q) AS waiting,
  (SELECT ${ms('at')} FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held') ORDER BY at, id LIMIT 1) AS "oldestAt", (
  SELECT coalesce(jsonb_agg(item), '[]') FROM (
    SELECT id, incarnation, seq, kind, key, code, left(detail, ${DETAIL_CHARACTERS_MAX}) AS detail, state, ${ms('at')} AS at
    FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held') ORDER BY quarantine.at, id LIMIT ${ITEMS_MAX}) item) AS items`;

const CONFLICT_COLUMNS = `id, type, kind, key, suggested, reason, state, strategy, ${ms('at')} AS at`;

/** What is not settled first, the oldest before the others; then what was settled last. */
export const CONFLICTS = `
SELECT (SELECT count(*) FROM (SELECT FROM conflict WHERE branch_id = $1 AND state = 'open' LIMIT ${COUNTED_MAX}) c) AS open,
  (SELECT ${ms('at')} FROM conflict WHERE branch_id = $1 AND state = 'open' ORDER BY at, id LIMIT 1) AS "oldestAt", (
  SELECT coalesce(jsonb_agg(item), '[]') FROM (
    (SELECT ${CONFLICT_COLUMNS} FROM conflict WHERE branch_id = $1 AND state <> 'settled' ORDER BY conflict.at, id LIMIT ${ITEMS_MAX})
    UNION ALL
    (SELECT ${CONFLICT_COLUMNS} FROM conflict WHERE branch_id = $1 AND state = 'settled' ORDER BY settled_at DESC, id LIMIT ${ITEMS_MAX})
    LIMIT ${ITEMS_MAX}) item) AS items`;
