import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

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
export const retakeScope: LocalWrite<{ scope: string; entries: readonly SyncLogEntry[] }, void> = {
  name: 'retake-scope',
  run(tx, { scope, entries }, { clock }) {
    tx.run(
      'UPDATE feed_cursor SET hub_epoch = NULL, number = 0, hash = ?, newest = 0, retake = 1 WHERE scope = ?',
      FEED_GENESIS,
      scope,
    );
    writeEntries(tx, clock.now(), entries);
  },
};

/** Rows of a scope that is taken again, dropped in one transaction. */
const DROPPED_ROWS_MAX = 50;

/** What a scope had staged; only after its cursor was set back or removed. */
export const dropStaged: BackgroundWrite<{ scope: string }, null> = {
  name: 'drop-staged',
  slice(tx, { scope }) {
    const { changes } = tx.run(
      'DELETE FROM feed_staged WHERE no IN (SELECT no FROM feed_staged WHERE scope = ? LIMIT ?)',
      scope,
      DROPPED_ROWS_MAX,
    );
    return { state: null, more: changes === DROPPED_ROWS_MAX };
  },
};

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
