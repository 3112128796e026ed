import type { FeedBody } from '@branchline/replication/feed.js';
import { problem } from '@branchline/http/problem.js';
import { feedBody, feedTable, type FeedApplier } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

export type BranchSettings = FeedBody<'branch-settings'>;

const UPSERT = `
  INSERT INTO feed_branch_setting (key, take, version, body) VALUES (?, ?, ?, ?)
  ON CONFLICT (key, take) DO UPDATE SET version = excluded.version, body = excluded.body
  WHERE excluded.version > feed_branch_setting.version`;

const applyBranchSettings: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_branch_setting WHERE key = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  tx.run(UPSERT, key, take, version, JSON.stringify(feedBody('branch-settings', record)));
};

export const BRANCH_SETTINGS = feedTable<{ body: string }>(
  { table: 'feed_branch_setting', key: 'key' },
  applyBranchSettings,
  ({ body }) => JSON.parse(body) as Record<string, unknown>,
);

/** @throws Problem `busy` as long as the feed has not brought them: nothing can be priced or dated without */
export function branchSettings(tx: ReadTx): BranchSettings {
  return parsedSettings(tx.get<{ body: string }>('SELECT body FROM branch_setting')?.body ?? null);
}

let last: { text: string; settings: BranchSettings } | undefined;

/** The text of the row, parsed; read with every sale and seldom another, so the last one is kept. */
export function parsedSettings(text: string | null): BranchSettings {
  if (text === null) throw problem('busy', 'the settings of this branch have not come from head office yet');
  if (last?.text !== text) last = { text, settings: JSON.parse(text) as BranchSettings };
  return last.settings;
}
