import { setImmediate as othersTurn } from 'node:timers/promises';
import { FEED_SHAPES, NewerContract, UnsoundBody } from '@branchline/replication/contracts.js';
import {
  bodyHashOf,
  feedHash,
  isFeedKind,
  type FeedKind,
  type FeedPage,
  type FeedRecord,
} from '@branchline/replication/feed.js';
import { describeIssues } from '@branchline/replication/line.js';
import { ZodError } from 'zod';
import { feedBody, type FeedShapes } from '../feed-record.js';
import type { Tx } from '../store/tx.js';
import type { BackgroundWrite } from '../store/write-job.js';
import { moveCursor, readCursor, type FeedCursor } from './feed-cursors.js';
import { SLICE_MS_MAX, SLICE_ROWS_MAX, SLICE_ROWS_MIN, type Stopwatch } from './slice.js';
import { writeEntries } from './sync-log.js';

/** The page is not what the scope's chain says: nothing of it is staged. */
export class CorruptPage extends Error {
  override readonly name = 'CorruptPage';
}

/** Hashing a record takes some 13 µs; after so many of them sales get their turn. */
const VERIFIED_AT_ONCE_MAX = 100;

/** Proves that the records follow the cursor without a gap and are what was hashed. @throws CorruptPage */
export async function verifyPage(cursor: Pick<FeedCursor, 'scope' | 'number' | 'hash'>, page: FeedPage): Promise<void> {
  if (page.scope !== cursor.scope) throw new CorruptPage(`asked for ${cursor.scope}, got ${page.scope}`);
  let { number, hash } = cursor;
  for (const [index, record] of page.records.entries()) {
    if (index % VERIFIED_AT_ONCE_MAX === VERIFIED_AT_ONCE_MAX - 1) await othersTurn();
    const at = `${page.scope} ${record.number}`;
    if (record.number !== number + 1) throw new CorruptPage(`${at} follows ${number}`);
    if (bodyHashOf(record.body) !== record.bodyHash) throw new CorruptPage(`${at}: the body is not what was hashed`);
    if (feedHash(hash, record) !== record.hash) throw new CorruptPage(`${at}: the chain does not lead there`);
    number = record.number;
    hash = record.hash;
  }
}

/** From here on staged records are held: kinds this version does not know, bodies it cannot read, rows that would not go in. */
export const RANK_HELD = 90;
const RANK_DELETED = 50;

/**
 * Turn of a record within its release. A large release is applied in many slices, and a sale may fall between two: so
 * the price comes before its product and goes after it, and no product is ever sellable without its price.
 */
/** What is ranked up to here may be seen before the products that need it. */
export const RANK_BEFORE_PRODUCTS = 3;
const RANK_OF_KIND: Readonly<Record<string, number>> = { 'tax-class': 1, 'branch-settings': 2, price: 3, product: 4 };
const RANK_OTHERS = 5;

export type StagedRank = { rank: number; heldFor: string | null };

export function rankOf(
  record: Pick<FeedRecord, 'kind' | 'contract' | 'deleted' | 'release' | 'body'>,
  shapes: FeedShapes = FEED_SHAPES,
): StagedRank {
  const { kind, deleted, release } = record;
  if (!isFeedKind(kind)) return { rank: RANK_HELD, heldFor: `kind ${kind} is not known to this version` };
  const why = deleted ? null : whyNotRead(kind, record, shapes);
  if (why !== null) return { rank: RANK_HELD, heldFor: why };
  // What stands alone is applied in the order it came.
  if (release === null) return { rank: 0, heldFor: null };
  const rank = RANK_OF_KIND[kind] ?? RANK_OTHERS;
  return { rank: deleted ? RANK_DELETED + (RANK_OTHERS - rank) : rank, heldFor: null };
}

function whyNotRead(kind: FeedKind, record: Pick<FeedRecord, 'contract' | 'body'>, shapes: FeedShapes): string | null {
  try {
    feedBody(kind, record, shapes);
    return null;
  } catch (error) {
    if (error instanceof ZodError) return describeIssues(error);
    if (error instanceof NewerContract || error instanceof UnsoundBody) return error.message;
    throw error;
  }
}

/** How much of a page is staged: index of its next record, and the cursor after those before. */
export type PagePlace = { at: number; number: number; hash: string };

/** How far a page is staged, and why records of it are held; `followed` false: it is from another life of its scope. */
export type StagedSoFar = { place: PagePlace; held: string[]; followed: boolean };

export const stageFeed: BackgroundWrite<{ take: number; page: FeedPage }, StagedSoFar> = {
  name: 'stage-feed',
  slice(tx, { take, page }, { place, held }, { stopwatch, clock }) {
    const slice = stageSlice(tx, take, page, place, stopwatch);
    if (slice === null) return { state: { place, held, followed: false }, more: false };
    const entries = slice.held.map((detail) => ({ level: 'warning' as const, event: 'feed-held', detail }));
    writeEntries(tx, clock.now(), entries);
    const state = { place: slice.place, held: [...held, ...slice.held], followed: true };
    return { state, more: slice.place.at < page.records.length };
  },
};

/**
 * Stages some records of a verified page and moves the cursor to the last of them, in one transaction: a cursor is never
 * ahead of its effects.
 * @returns where the page stands now and why records are held; null when the cursor is not where this page follows
 */
function stageSlice(
  tx: Tx,
  take: number,
  page: FeedPage,
  from: PagePlace,
  stopwatch: Stopwatch,
): { place: PagePlace; held: string[] } | null {
  const cursor = readCursor(tx, page.scope);
  if (cursor?.take !== take || cursor.number !== from.number || cursor.hash !== from.hash) return null;
  const startMs = stopwatch();
  const held: string[] = [];
  let { at, number, hash } = from;
  for (const record of page.records.slice(from.at, from.at + SLICE_ROWS_MAX)) {
    if (at - from.at >= SLICE_ROWS_MIN && stopwatch() - startMs >= SLICE_MS_MAX) break;
    const heldFor = stageRecord(tx, cursor, record);
    if (heldFor !== null) held.push(`${page.scope} ${record.number} (${record.kind} ${record.key}): ${heldFor}`);
    ({ number, hash } = record);
    at += 1;
  }
  moveCursor(tx, { take: cursor.take, hubEpoch: page.hubEpoch, number, hash, newest: page.newest });
  return { place: { at, number, hash }, held };
}

function stageRecord(tx: Tx, cursor: FeedCursor, record: FeedRecord): string | null {
  const { rank, heldFor } = rankOf(record);
  if (heldFor === null && record.kind === 'release') {
    storeRelease(tx, record);
    return null;
  }
  if (record.release === null) dropSuperseded(tx, cursor, record, rank);
  insertStaged(tx, cursor, record, rank);
  return heldFor;
}

export type RecordToStage = Pick<
  FeedRecord,
  'number' | 'kind' | 'key' | 'version' | 'contract' | 'release' | 'deleted' | 'body'
>;

export function insertStaged(tx: Tx, { take }: Pick<FeedCursor, 'take'>, record: RecordToStage, rank: number): void {
  tx.run(
    `INSERT INTO feed_staged (take, number, kind, key, version, contract, release, rank, deleted, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    take,
    record.number,
    record.kind,
    record.key,
    record.version,
    record.contract,
    record.release,
    rank,
    record.deleted ? 1 : 0,
    JSON.stringify(record.body),
  );
}

/** A later record of the same thing stands alone: what is still staged of before, for a release too, must not come after it. */
function dropSuperseded(tx: Tx, { take }: FeedCursor, { kind, key, version }: FeedRecord, rank: number): void {
  tx.run(
    'DELETE FROM feed_staged WHERE kind = ? AND key = ? AND take = ? AND rank >= ? AND version <= ?',
    kind,
    key,
    take,
    rank >= RANK_HELD ? RANK_HELD : 0,
    version,
  );
}

/** Kept after it was activated, too: a scope joined or taken again later brings records of releases long past. */
export function storeRelease(tx: Tx, record: Pick<FeedRecord, 'key' | 'contract' | 'deleted' | 'body'>): void {
  if (record.deleted) return;
  const { needs } = feedBody('release', record);
  tx.run(
    'INSERT INTO release_due (release, needs) VALUES (?, ?) ON CONFLICT (release) DO UPDATE SET needs = excluded.needs',
    record.key,
    JSON.stringify(needs),
  );
}
