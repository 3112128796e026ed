import type { FeedBody } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';

/** Of each list; how many there are in all is told beside. Ten thousand lines set aside are one record of some kilobytes. */
const ITEMS_MAX = 50;
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

const QUARANTINE = `
SELECT count(*) AS waiting, ${ms('min(at)')} AS "oldestAt", (
  SELECT coalesce(jsonb_agg(item), '[]') FROM (
    SELECT id, incarnation, seq, kind, key, code, left(detail, ${DETAIL_CHARACTERS_MAX}) AS detail, state, ${ms('at')} AS at
    FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held') ORDER BY at, id LIMIT ${ITEMS_MAX}) item) AS items
FROM quarantine WHERE branch_id = $1 AND state IN ('open', 'held')`;

/** What is open first, the oldest before the others; then what was decided last. */
const CONFLICTS = `
SELECT count(*) FILTER (WHERE state = 'open') AS open, ${ms(`min(at) FILTER (WHERE state = 'open')`)} AS "oldestAt", (
  SELECT coalesce(jsonb_agg(item), '[]') FROM (
    SELECT id, type, kind, key, suggested, reason, state, strategy, ${ms('at')} AS at
    FROM conflict WHERE branch_id = $1
    ORDER BY state = 'settled', CASE WHEN state = 'settled' THEN NULL ELSE at END, settled_at DESC, id LIMIT ${ITEMS_MAX}) item) AS items
FROM conflict WHERE branch_id = $1`;
