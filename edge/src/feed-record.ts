import { FEED_KINDS, type FeedBody, type FeedKind } from '@branchline/replication/feed.js';
import type { Tx } from './store/tx.js';

/** A record of the feed as it reaches the rows; `body` is `{}` where it was deleted. */
export type FeedRecordToApply = { key: string; version: number; deleted: boolean; body: unknown };

/** Writes the rows of one record. One that is not newer than the rows is ignored, so that a page may come twice. */
export type FeedApplier = (tx: Tx, record: FeedRecordToApply) => void;

/** @throws ZodError for a body that is none of its kind: the hub's bug, never to be half applied */
export function feedBody<K extends FeedKind>(kind: K, record: FeedRecordToApply): FeedBody<K> {
  return FEED_KINDS[kind].parse(record.body) as FeedBody<K>;
}
