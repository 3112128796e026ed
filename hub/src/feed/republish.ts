import { FEED_SHAPES, NewerContract, UnsoundBody, upcast, type KindShapes } from '@branchline/replication/contracts.js';
import { FEED_KINDS, type FeedKind } from '@branchline/replication/feed.js';
import type { Tx } from '../database/unit-of-work.js';
import { numberOutbox, takeSequencersTurn } from './number-outbox.js';
import { FEED_TOPIC } from './publish.js';

export type FeedShapes = Readonly<Record<FeedKind, KindShapes>>;

/** A release says when others become visible, and is in no sum; nothing compares it. */
export type KindToRepublish = Exclude<FeedKind, 'release'>;

/** Some 50 ms, in which nothing of the tenant is numbered. */
export const REPUBLISHED_AT_ONCE_MAX = 500;

export type Republished = {
  count: number;
  /** Of bodies that cannot be brought to the shape of today, as `scope key`: they stay as they are. */
  left: string[];
  /** Up to which key of the scope it was looked; null: to its end. */
  upTo: string | null;
};

type Row = {
  key: string;
  contract: number;
  release: string | null;
  body: Record<string, unknown>;
};

/**
 * What stands of a kind in a scope, of contracts before today's, is published again in today's: boxes prove their rows by
 * the hashes of bodies, and have brought theirs to the shape that they know. The next records after a key.
 *
 * Numbered at once, before all that waits to be: what waits was written later, or is written at this moment, and has to
 * stand in the end. A record keeps its release, so that what is staged stays so.
 */
export async function republish(
  tx: Tx,
  kind: KindToRepublish,
  scope: string,
  after: string,
  shapes: FeedShapes = FEED_SHAPES,
): Promise<Republished> {
  await takeSequencersTurn(tx);
  const rows = await tx.query<Row>(STANDING, [scope, kind, after]);
  const { since } = shapes[kind];
  const left: string[] = [];
  const due = rows
    .filter(({ contract }) => contract < since)
    .flatMap((row) => {
      const body = bodyOfToday(kind, row, shapes);
      if (body === null) left.push(`${scope} ${row.key}`);
      return body === null ? [] : [{ ...row, body }];
    });
  if (due.length > 0) {
    await tx.execute(PUT_BEFORE_ALL, [tx.tenantId, scope, kind, since, JSON.stringify(due)]);
    await numberOutbox(tx, due.length);
    tx.announced.add(FEED_TOPIC);
  }
  const last = rows.at(-1);
  return { count: due.length, left, upTo: rows.length === REPUBLISHED_AT_ONCE_MAX && last ? last.key : null };
}

function bodyOfToday(kind: KindToRepublish, { contract, body }: Row, shapes: FeedShapes): object | null {
  try {
    return FEED_KINDS[kind].parse(upcast(shapes[kind], contract, body));
  } catch (error) {
    if (error instanceof UnsoundBody || error instanceof NewerContract) return null;
    throw error;
  }
}

const STANDING = `
SELECT l.key, r.contract, r.release_id AS release, r.body FROM feed_latest l
  JOIN feed_record r ON r.scope = l.scope AND r.number = l.number
 WHERE l.scope = $1 AND l.kind = $2 AND l.key > $3 AND NOT r.deleted ORDER BY l.key LIMIT ${REPUBLISHED_AT_ONCE_MAX}`;

/** Ids that the outbox gives begin with 1. */
const PUT_BEFORE_ALL = `
INSERT INTO outbox (tenant_id, id, scope, kind, key, contract, release_id, deleted, body) OVERRIDING SYSTEM VALUE
SELECT $1, place - ${REPUBLISHED_AT_ONCE_MAX} - 1, $2, $3, key, $4, release, false, body
FROM ROWS FROM (jsonb_to_recordset($5::jsonb) AS (key text, release uuid, body jsonb)) WITH ORDINALITY AS r (key, release, body, place)`;
