import { FEED_KINDS, type FeedBody, type FeedKind } from '@branchline/replication/feed.js';
import { contractOfRecord } from '@branchline/replication/contracts.js';
import type { Tx } from '../database/unit-of-work.js';

/** Announced by every transaction that leaves records behind: the sequencer wakes at once. */
export const FEED_TOPIC = 'feed';

export type Publication<K extends FeedKind> =
  | { scope: string; kind: K; key: string; body: FeedBody<K>; release?: string; deleted?: false }
  | { scope: string; kind: K; key: string; deleted: true; release?: string };

/**
 * Leaves a record for the sequencer, unnumbered, in the caller's transaction. The caller holds the row it changed: that is what puts two
 * changes of one row into the order of their commits.
 *
 * @throws Error (a bug) for a body that no edge would understand
 */
export async function publish<K extends FeedKind>(tx: Tx, publication: Publication<K>): Promise<void> {
  const { scope, kind, key, release } = publication;
  const body = publication.deleted ? {} : FEED_KINDS[kind].parse(publication.body);
  await tx.execute(
    `INSERT INTO outbox (tenant_id, scope, kind, key, contract, release_id, deleted, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      tx.tenantId,
      scope,
      kind,
      key,
      contractOfRecord(kind),
      release ?? null,
      publication.deleted ?? false,
      JSON.stringify(body),
    ],
  );
  tx.announced.add(FEED_TOPIC);
}
