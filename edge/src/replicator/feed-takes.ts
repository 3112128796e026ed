import type { FeedKind } from '@branchline/replication/feed.js';
import type { FeedRows } from '../feed-record.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { BackgroundWrite, LocalWrite } from '../store/write-job.js';
import { FEED_GENESIS, readCursors } from './feed-cursors.js';
import { RANK_HELD } from './feed-staging.js';
import { SLICE_MS_MAX } from './slice.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

export type RowsOfKinds = Readonly<Record<Exclude<FeedKind, 'release'>, FeedRows>>;

/*
 * A taking of a scope is one life of its rows here. What is joined, or has to be taken again, fills a new taking that nobody
 * sees, while what it replaces stays in sight; when all is there, one statement changes which of them are seen. So a branch
 * that moves to another price zone sells by the old prices or by the new ones, and 50,000 of them change in one instant
 * without holding up a sale.
 */

/** @returns what was joined and left; what was left is seen until what was joined is whole */
export function followScopes(tx: Tx, scopes: readonly string[]): { joined: string[]; left: string[] } {
  const known = readCursors(tx).map(({ scope }) => scope);
  const joined = scopes.filter((scope) => !known.includes(scope));
  const left = known.filter((scope) => !scopes.includes(scope));
  for (const scope of left) tx.run('UPDATE feed_take SET pulled = 0 WHERE scope = ? AND pulled = 1', scope);
  for (const scope of joined) {
    // Back before its successor came: it goes on where it was.
    const before = tx.get<{ no: number }>(
      'SELECT max(no) AS no FROM feed_take WHERE scope = ? AND visible = 1 HAVING max(no) IS NOT NULL',
      scope,
    );
    if (before === undefined) takeFromStart(tx, scope);
    else tx.run('UPDATE feed_take SET pulled = 1 WHERE no = ?', before.no);
  }
  return { joined, left };
}

function takeFromStart(tx: Tx, scope: string): void {
  tx.run(
    'INSERT INTO feed_take (scope, pulled, visible, number, hash, newest) VALUES (?, 1, 0, 0, ?, 0)',
    scope,
    FEED_GENESIS,
  );
}

/** From the start again, by a taking of its own: versions of before mean nothing to it. */
export const retakeScope: LocalWrite<{ take: number; scope: string; entries: readonly SyncLogEntry[] }, void> = {
  name: 'retake-scope',
  run(tx, { take, scope, entries }, { clock }) {
    const { changes } = tx.run('UPDATE feed_take SET pulled = 0 WHERE no = ? AND pulled = 1', take);
    if (changes === 0) return;
    takeFromStart(tx, scope);
    writeEntries(tx, clock.now(), entries);
  },
};

type TakeState = { no: number; scope: string; pulled: 0 | 1; visible: 0 | 1; whole: 0 | 1 };

/** Whole: at its newest, and nothing of it waits that could be applied. */
const STATES = `
  SELECT no, scope, pulled, visible, hub_epoch IS NOT NULL AND number >= newest AND NOT EXISTS (
    SELECT 1 FROM feed_staged s WHERE s.release IS NULL AND s.rank < ${RANK_HELD} AND s.take = t.no) AS whole
  FROM feed_take t`;

/** Whether something that is seen waits for its successor. */
export function isSwitchPending(tx: ReadTx): boolean {
  return tx.get('SELECT 1 FROM feed_take WHERE visible = 1 AND pulled = 0') !== undefined;
}

/** Whether any taking is other than in its ordinary state. */
export function areTakesUnsettled(tx: ReadTx): boolean {
  return tx.get('SELECT 1 FROM feed_take WHERE visible = 0 OR pulled = 0') !== undefined;
}

/**
 * What replaces nothing is seen as soon as it is whole, products not before their prices. What replaces something waits until all that is followed is whole,
 * as of one round that had no trouble: then the old goes and the new comes in one step.
 */
export const showTakes: LocalWrite<{ roundIsWhole: boolean }, { shown: boolean }> = {
  name: 'show-takes',
  run(tx, { roundIsWhole }) {
    const states = tx.all<TakeState>(STATES);
    if (!isSwitchPending(tx)) {
      const filling = states.filter(({ pulled, visible }) => pulled === 1 && visible === 0);
      const lacksPrices = filling.some(({ scope, whole }) => scope.startsWith('zone:') && whole === 0);
      const ready = filling.filter(
        ({ scope, whole }) => whole === 1 && !(lacksPrices && scope.startsWith('assortment:')),
      );
      for (const { no } of ready) tx.run('UPDATE feed_take SET visible = 1 WHERE no = ?', no);
      return { shown: ready.length > 0 };
    }
    const allWhole = states.every(({ pulled, whole }) => pulled === 0 || whole === 1);
    if (roundIsWhole && allWhole) tx.run('UPDATE feed_take SET visible = pulled WHERE visible <> pulled');
    return { shown: roundIsWhole && allWhole };
  },
};

export type DropState = { take: number; step: number; after: string } | null;

const STAGED_DROPPED_MAX = 50;

/** Deletes what belongs to takings that are neither pulled nor seen: what they had staged, their rows kind by kind, themselves. */
export const dropTakes = (kinds: RowsOfKinds): BackgroundWrite<null, DropState> => ({
  name: 'drop-takes',
  slice(tx, _input, state, { stopwatch }) {
    const startMs = stopwatch();
    let at = state ?? nextDropped(tx);
    while (at !== null && stopwatch() - startMs < SLICE_MS_MAX) at = dropSome(tx, at, Object.values(kinds));
    return { state: at, more: at !== null };
  },
});

function nextDropped(tx: ReadTx): DropState {
  const found = tx.get<{ no: number }>('SELECT no FROM feed_take WHERE pulled = 0 AND visible = 0 ORDER BY no LIMIT 1');
  return found === undefined ? null : { take: found.no, step: 0, after: '' };
}

/** @param at step 0: what is staged; then one step a kind; then the taking itself */
function dropSome(tx: Tx, at: NonNullable<DropState>, kinds: readonly FeedRows[]): DropState {
  const { take, step, after } = at;
  if (step === 0) {
    const { changes } = tx.run(
      'DELETE FROM feed_staged WHERE no IN (SELECT no FROM feed_staged WHERE take = ? LIMIT ?)',
      take,
      STAGED_DROPPED_MAX,
    );
    return changes === STAGED_DROPPED_MAX ? at : { take, step: 1, after: '' };
  }
  const rows = kinds[step - 1];
  if (rows === undefined) {
    tx.run('DELETE FROM feed_take WHERE no = ? AND pulled = 0 AND visible = 0', take);
    return nextDropped(tx);
  }
  const next = rows.drop(tx, take, after);
  return next === null ? { take, step: step + 1, after: '' } : { take, step, after: next.after };
}
