import type { FeedBody } from '@branchline/replication/feed.js';
import { feedBody, feedTable, type FeedApplier } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

type WorkLists = FeedBody<'work-lists'>;

const UPSERT = `
  INSERT INTO feed_work_list (key, take, version, body) VALUES (?, ?, ?, ?)
  ON CONFLICT (key, take) DO UPDATE SET version = excluded.version, body = excluded.body
  WHERE excluded.version > feed_work_list.version`;

const applyWorkLists: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_work_list WHERE key = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  tx.run(UPSERT, key, take, version, JSON.stringify(feedBody('work-lists', record)));
};

/** What head office set aside or disputes of this branch, as it last told: one row, which stands while the line is down. */
export const WORK_LISTS = feedTable<{ body: string }>(
  { table: 'feed_work_list', key: 'key' },
  applyWorkLists,
  ({ body }) => JSON.parse(body) as Record<string, unknown>,
);

/** `at`: when head office told it; null: it has had nothing to tell. `items` are the first of `count`. */
export type ToldList<Item> = {
  at: string | null;
  count: number;
  oldestAt: string | null;
  items: Item[];
  next: null;
};

type Quarantined = WorkLists['quarantine']['items'][number];
type Disputed = WorkLists['conflicts']['items'][number];
export type ToldQuarantine = ToldList<Omit<Quarantined, 'at'> & { at: string }>;
export type ToldConflicts = ToldList<Omit<Disputed, 'at'> & { at: string }>;

export function toldQuarantine(tx: ReadTx): ToldQuarantine {
  const told = readLists(tx);
  return shown(told, told?.quarantine, told?.quarantine.waiting);
}

export function toldConflicts(tx: ReadTx): ToldConflicts {
  const told = readLists(tx);
  return shown(told, told?.conflicts, told?.conflicts.open);
}

function readLists(tx: ReadTx): WorkLists | undefined {
  const row = tx.get<{ body: string }>(`SELECT body FROM work_list WHERE key = 'lists'`);
  return row && (JSON.parse(row.body) as WorkLists);
}

function shown<Item extends { at: number }>(
  told: WorkLists | undefined,
  list: { oldestAt: number | null; items: Item[] } | undefined,
  count = 0,
): ToldList<Omit<Item, 'at'> & { at: string }> {
  return {
    at: told === undefined ? null : iso(told.at),
    count,
    oldestAt: list === undefined || list.oldestAt === null ? null : iso(list.oldestAt),
    items: (list?.items ?? []).map((item) => ({ ...item, at: iso(item.at) })),
    next: null,
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
