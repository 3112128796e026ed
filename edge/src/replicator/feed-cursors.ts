import type { ReadTx, Tx } from '../store/tx.js';

/** How far this edge has staged a scope. `retake`: the hub's numbering began anew, so versions here mean nothing any more. */
export type FeedCursor = {
  scope: string;
  hubEpoch: string | null;
  number: number;
  hash: string;
  newest: number;
  retake: 0 | 1;
};

export const FEED_GENESIS = '0'.repeat(64);

const COLUMNS = 'scope, hub_epoch AS hubEpoch, number, hash, newest, retake';

export function readCursors(tx: ReadTx): FeedCursor[] {
  return tx.all<FeedCursor>(`SELECT ${COLUMNS} FROM feed_cursor ORDER BY scope`);
}

export function readCursor(tx: ReadTx, scope: string): FeedCursor | undefined {
  return tx.get<FeedCursor>(`SELECT ${COLUMNS} FROM feed_cursor WHERE scope = ?`, scope);
}

export function moveCursor(tx: Tx, { scope, hubEpoch, number, hash, newest }: Omit<FeedCursor, 'retake'>): void {
  tx.run(
    'UPDATE feed_cursor SET hub_epoch = ?, number = ?, hash = ?, newest = ? WHERE scope = ?',
    hubEpoch,
    number,
    hash,
    newest,
    scope,
  );
}

/** From the start again, whatever the versions. */
export function resetCursor(tx: Tx, scope: string): void {
  tx.run(
    'UPDATE feed_cursor SET hub_epoch = NULL, number = 0, hash = ?, newest = 0, retake = 1 WHERE scope = ?',
    FEED_GENESIS,
    scope,
  );
}

/** Some of what a scope had staged; only after its cursor was set back or removed. @returns whether there may be more */
export function dropSomeStaged(tx: Tx, scope: string, rowsMax: number): boolean {
  const { changes } = tx.run(
    'DELETE FROM feed_staged WHERE no IN (SELECT no FROM feed_staged WHERE scope = ? LIMIT ?)',
    scope,
    rowsMax,
  );
  return changes === rowsMax;
}

/** @returns what was joined and left. What a left scope brought stays until other records replace it. */
export function followScopes(tx: Tx, scopes: readonly string[]): { joined: string[]; left: string[] } {
  const known = readCursors(tx).map(({ scope }) => scope);
  const joined = scopes.filter((scope) => !known.includes(scope));
  const left = known.filter((scope) => !scopes.includes(scope));
  for (const scope of joined) {
    tx.run(
      'INSERT INTO feed_cursor (scope, hub_epoch, number, hash, newest) VALUES (?, NULL, 0, ?, 0)',
      scope,
      FEED_GENESIS,
    );
  }
  for (const scope of left) tx.run('DELETE FROM feed_cursor WHERE scope = ?', scope);
  return { joined, left };
}
