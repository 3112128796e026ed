import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SnapshotRecord } from '@branchline/replication/snapshot.js';
import BetterSqlite3 from 'better-sqlite3';
import type { Store } from '../store/store.js';
import type { ReadTx } from '../store/tx.js';
import { readCursors, type FeedCursor } from './feed-cursors.js';
import type { RowsOfKinds } from './feed-takes.js';
import {
  applySnapshot,
  beginSnapshot,
  endSnapshot,
  isSelling,
  isSnapshotRecordNotApplied,
} from './snapshot-applying.js';
import {
  beginningOf,
  CorruptSnapshot,
  dropSnapshot,
  fetchSnapshot,
  type FetchedSnapshot,
  type SnapshotSource,
} from './snapshot-file.js';

export type SnapshotParts = { store: Store; hub: SnapshotSource; kinds: RowsOfKinds; alarm(message: string): void };

/** Read, and handed to the writer, at once: some 300 KB. */
const PAGE_RECORDS = 1_000;
const PREFIX = 'snapshot-';

/**
 * `taken`: the feed goes on from the snapshot's number · `none`: the hub has none, the feed is read from its start ·
 * `half`: another snapshot, or none any more, than the one that began to fill it: it is to be taken anew.
 */
export type SnapshotOutcome = 'taken' | 'none' | 'half';

/** Fills a taking from the scope's snapshot. */
export async function takeSnapshot(
  parts: SnapshotParts,
  { take, scope, begun }: FeedCursor,
  signal: AbortSignal,
): Promise<SnapshotOutcome> {
  const { store, hub } = parts;
  const base = join(folderOf(store.reads), `${PREFIX}${take}`);
  const fetched = await fetchSnapshot(hub, scope, base);
  if (fetched === null) return begun === null ? 'none' : 'half';
  const { facts } = fetched;
  const filling = await store.writer.write(beginSnapshot, { take, sha256: facts.sha256 });
  if (filling.begun !== facts.sha256) {
    await dropSnapshot(base);
    return 'half';
  }
  for (const records of recordsOf(fetched)) {
    await applyRecords(parts, take, records, signal);
    // What is applied stays; the file is gone through again from its start.
    if (signal.aborted) return 'taken';
  }
  const { hubEpoch, number, hash } = facts;
  await store.writer.write(endSnapshot, { take, hubEpoch, number, hash, newest: number });
  await dropSnapshot(base);
  return 'taken';
}

/** What has come of the file that is to fill a taking; null: nothing, or all of it. */
export function beginningOfSnapshot(reads: ReadTx, take: number): Promise<{ fileSha256: string; have: number } | null> {
  return beginningOf(join(folderOf(reads), `${PREFIX}${take}`));
}

/** Files of takings that no longer fill: an edge that died has cleared nothing away. */
export async function dropOldSnapshots(reads: ReadTx): Promise<void> {
  const folder = folderOf(reads);
  const filling = new Set(readCursors(reads).map(({ take, number }) => (number === 0 ? `${PREFIX}${take}` : '')));
  for (const name of readdirSync(folder)) {
    const [base = ''] = name.split('.', 1);
    if (/^snapshot-\d+$/.test(base) && !filling.has(base)) await dropSnapshot(join(folder, base));
  }
}

async function applyRecords(
  { store, kinds, alarm }: SnapshotParts,
  take: number,
  records: readonly SnapshotRecord[],
  signal: AbortSignal,
): Promise<void> {
  const atOnce = !isSelling(store.reads);
  const held: number[] = [];
  // One record more is held each time: this ends.
  while (!signal.aborted) {
    try {
      await store.writer.background(applySnapshot(kinds), { take, records, held, atOnce }, { at: 0 }, signal);
      return;
    } catch (error) {
      if (!isSnapshotRecordNotApplied(error) || held.includes(error.at)) throw error;
      held.push(error.at);
      alarm(error.message);
    }
  }
}

/** @throws CorruptSnapshot when it does not say of itself what the hub said of it */
function* recordsOf({ file, facts }: FetchedSnapshot): Generator<SnapshotRecord[]> {
  const database = new BetterSqlite3(file, { readonly: true, fileMustExist: true });
  try {
    const head = database.prepare('SELECT scope, number, hash FROM snapshot').get() as typeof facts | undefined;
    if (head?.scope !== facts.scope || head.number !== facts.number || head.hash !== facts.hash)
      throw new CorruptSnapshot(`${facts.scope}: the snapshot says another thing of itself`);
    const page = database.prepare(
      `SELECT no, number, kind, key, version, contract, release, deleted, body FROM record
       WHERE no > ? ORDER BY no LIMIT ${PAGE_RECORDS}`,
    );
    for (let after = 0; ;) {
      const records = page.all(after) as (SnapshotRecord & { no: number })[];
      if (records.length === 0) return;
      yield records;
      after = records.at(-1)?.no ?? after;
    }
  } finally {
    database.close();
  }
}

/** Beside the database: on its disk, and as private. */
function folderOf(reads: ReadTx): string {
  const main = reads.get<{ file: string }>(`SELECT file FROM pragma_database_list WHERE name = 'main'`);
  if (main === undefined) throw new Error('there is no main database');
  return dirname(main.file);
}
