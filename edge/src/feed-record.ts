import { FEED_SHAPES, upcast, type KindShapes } from '@branchline/replication/contracts.js';
import { FEED_KINDS, type FeedBody, type FeedKind } from '@branchline/replication/feed.js';
import type { ReadTx, Tx } from './store/tx.js';

/**
 * A record of the feed as it reaches the rows; `body` is `{}` where it was deleted. `take`: the taking of a scope it came
 * by (`feed_take`), part of the key of its rows: they are seen only while that is visible.
 */
export type FeedRecordToApply = {
  take: number;
  key: string;
  version: number;
  /** Of its kind, in which `body` is. */
  contract: number;
  deleted: boolean;
  body: unknown;
};

export type FeedShapes = Readonly<Record<FeedKind, KindShapes>>;

/** Writes the rows of one record. One that is not newer than the rows is ignored, so that a page may come twice. */
export type FeedApplier = (tx: Tx, record: FeedRecordToApply) => void;

export type FeedBodyRow = { key: string; version: number; body: Record<string, unknown> };
export type FeedBodiesPage = { take: number; after: string; limit: number };

/** Keys of rows that were looked at; null: all were. */
export type DropPlace = { after: string } | null;

/** How the rows of one kind are written, read back and taken away. */
export type FeedRows = {
  apply: FeedApplier;
  /** What stands of a taking, in the order of the keys: the canonical JSON of `body` is that of the record that was applied. */
  bodies(tx: ReadTx, page: FeedBodiesPage): FeedBodyRow[];
  /** The next record is taken whatever its version: what stands of it is not what was applied. */
  distrust(tx: Tx, take: number, key: string): void;
  /** Looks at the next few keys and deletes what is of this taking, which nobody sees any more. */
  drop(tx: Tx, take: number, after: string): DropPlace;
};

/**
 * In the shape of today, of whichever release it came.
 * @throws ZodError for a body that is none of its kind: the hub's bug, never to be half applied; NewerContract, UnsoundBody
 */
export function feedBody<K extends FeedKind>(
  kind: K,
  { contract, body }: Pick<FeedRecordToApply, 'contract' | 'body'>,
  shapes: FeedShapes = FEED_SHAPES,
): FeedBody<K> {
  const isObject = typeof body === 'object' && body !== null;
  const now = isObject ? upcast(shapes[kind], contract, body as Record<string, unknown>) : body;
  return FEED_KINDS[kind].parse(now) as FeedBody<K>;
}

/** What a body says beyond the columns of its kind, as they are stored; null: nothing. */
export function restOf(body: Record<string, unknown>, columns: readonly string[]): string | null {
  const rest = Object.entries(body).filter(([name]) => !columns.includes(name));
  return rest.length === 0 ? null : JSON.stringify(Object.fromEntries(rest));
}

export function withRest<T extends object>(body: T, rest: string | null): T & Record<string, unknown> {
  return { ...body, ...(rest === null ? {} : (JSON.parse(rest) as Record<string, unknown>)) };
}

/** What is no JSON any more is no reason to read none of the others: it says what no record says. */
export function readBody(read: () => Record<string, unknown>): Record<string, unknown> {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { unreadable: error.message };
  }
}

/** Rows of other takings may stand between: so many keys are looked at in one slice. */
const DROP_LOOK_MAX = 200;

/** The SQL that is the same for every table whose key is (`key`, take). `bodyOf` reads a row of it back. */
export function feedTable<Row>(
  { table, key, also = [] }: { table: string; key: string; also?: readonly { table: string; key: string }[] },
  apply: FeedApplier,
  bodyOf: (row: Row, tx: ReadTx) => Record<string, unknown>,
): FeedRows {
  const pageSql = `SELECT * FROM ${table} WHERE take = ? AND ${key} > ? ORDER BY ${key} LIMIT ?`;
  const lookSql = `SELECT ${key} AS key, take FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ${DROP_LOOK_MAX}`;
  const dropSql = [...also, { table, key }].map(
    (each) => `DELETE FROM ${each.table} WHERE ${each.key} = ? AND take = ?`,
  );
  const distrustSql = `UPDATE ${table} SET version = 0 WHERE ${key} = ? AND take = ?`;
  return {
    apply,
    distrust: (tx, take, named) => void tx.run(distrustSql, named, take),
    bodies(tx, { take, after, limit }) {
      return tx.all<Row & { version: number }>(pageSql, take, after, limit).map((row) => {
        const { [key as keyof typeof row]: named, version } = row;
        return { key: String(named), version, body: readBody(() => bodyOf(row, tx)) };
      });
    },
    drop(tx, take, after) {
      const seen = tx.all<{ key: string; take: number }>(lookSql, after);
      for (const row of seen.filter((each) => each.take === take)) {
        for (const sql of dropSql) tx.run(sql, row.key, take);
      }
      const last = seen.at(-1);
      return last === undefined || seen.length < DROP_LOOK_MAX ? null : { after: last.key };
    },
  };
}
