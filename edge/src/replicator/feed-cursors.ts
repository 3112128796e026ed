import type { ReadTx, Tx } from '../store/tx.js';

/** How far this edge has staged a scope, and by which taking of it. */
export type FeedCursor = {
  take: number;
  scope: string;
  /** Null: nothing has come by this taking yet. */
  hubEpoch: string | null;
  number: number;
  hash: string;
  newest: number;
  /** SHA-256 of the snapshot that fills it; null: none does. */
  begun: string | null;
};

export const FEED_GENESIS = '0'.repeat(64);

const COLUMNS = 'no AS take, scope, hub_epoch AS hubEpoch, number, hash, newest, begun';

/** Of the scopes that are followed: each is pulled by one taking. */
export function readCursors(tx: ReadTx): FeedCursor[] {
  return tx.all<FeedCursor>(`SELECT ${COLUMNS} FROM feed_take WHERE pulled = 1 ORDER BY scope`);
}

export function readCursor(tx: ReadTx, scope: string): FeedCursor | undefined {
  return tx.get<FeedCursor>(`SELECT ${COLUMNS} FROM feed_take WHERE pulled = 1 AND scope = ?`, scope);
}

export type CursorMove = Pick<FeedCursor, 'take' | 'hubEpoch' | 'number' | 'hash' | 'newest'>;

export function moveCursor(tx: Tx, { take, hubEpoch, number, hash, newest }: CursorMove): void {
  tx.run(
    'UPDATE feed_take SET hub_epoch = ?, number = ?, hash = ?, newest = ? WHERE no = ?',
    hubEpoch,
    number,
    hash,
    newest,
    take,
  );
}
