import type { FeedBody } from '@branchline/replication/feed.js';
import { problem } from '@branchline/http/problem.js';
import { feedBody, type FeedApplier } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

export type BranchSettings = FeedBody<'branch-settings'>;

const UPSERT = `
  INSERT INTO branch_setting (id, version, body) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body
  WHERE excluded.version > branch_setting.version`;

export const applyBranchSettings: FeedApplier = (tx, record) => {
  if (record.deleted) return void tx.run('DELETE FROM branch_setting WHERE version < ?', record.version);
  tx.run(UPSERT, record.version, JSON.stringify(feedBody('branch-settings', record)));
};

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
