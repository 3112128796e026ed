import { bodyHashOf, type FeedRecord } from '@branchline/replication/feed.js';
import { FeedSums, bucketOf, recordHash } from '@branchline/replication/feed-sums.js';
import { VERIFY_BUCKETS_MAX, VERIFY_KEYS_MAX, type VerifyKeys } from '@branchline/replication/verify-protocol.js';
import type { FeedCursor } from '../replicator/feed-cursors.js';
import type { HubClient } from '../replicator/hub-client.js';
import { Finder, type Findings } from './findings.js';
import type { Jobs } from './prove-journal.js';
import { FEED_START, type FeedPlace, type FeedSummed, type KeysFound } from './sum-feed.js';
import type { VerifyJobs } from './verify-jobs.js';

/** More than that is no row gone wrong: the scope is taken again as a whole. */
export const REPAIRED_MAX = 2_000;

export type FeedParts = { jobs: Jobs<VerifyJobs>; hub: HubClient; breathe(): Promise<void> };

/** What is to be written anew of a scope, and what to be taken away: nothing else of it is touched. */
export type FeedRepair = {
  records: FeedRecord[];
  extra: { kind: string; key: string }[];
  /** More differs than is repaired record by record. */
  whole: boolean;
};

export type FeedProof = { scope: string; number: number; records: number; repair: FeedRepair; findings: Findings };

/**
 * The rows of one scope against what the hub has of it, both as of this box's cursor. What differs is looked into, bucket by
 * bucket and key by key; the caller sees to it that no record is applied meanwhile.
 */
export async function proveFeed(parts: FeedParts, cursor: FeedCursor): Promise<FeedProof> {
  const { scope, number, hash } = cursor;
  const finder = new Finder();
  const repair: FeedRepair = { records: [], extra: [], whole: false };
  const theirs = new FeedSums();
  theirs.addAll((await parts.hub.verifySums({ scope, number, hash })).kinds);
  const ours = await sumOf(parts, cursor.take);
  for (const { kind, buckets } of inGroups(FeedSums.differing(ours, theirs))) {
    if (repair.whole) break;
    await compareKeys({ ...parts, cursor, finder, repair, theirs }, kind, buckets);
  }
  return { scope, number, records: ours.records, repair, findings: finder.findings };
}

async function sumOf({ jobs, breathe }: FeedParts, take: number): Promise<FeedSums> {
  const sums = new FeedSums();
  for (let place: FeedPlace | null = FEED_START; place !== null;) {
    await breathe();
    const { kinds, next }: FeedSummed = await jobs.read('sum-feed', { take, place });
    sums.addAll(kinds);
    place = next;
  }
  return sums;
}

function inGroups(differing: readonly { kind: string; bucket: number }[]): { kind: string; buckets: number[] }[] {
  const groups: { kind: string; buckets: number[] }[] = [];
  for (const { kind, bucket } of differing) {
    const last = groups.at(-1);
    if (last?.kind === kind && last.buckets.length < VERIFY_BUCKETS_MAX) last.buckets.push(bucket);
    else groups.push({ kind, buckets: [bucket] });
  }
  return groups;
}

type Work = FeedParts & { cursor: FeedCursor; finder: Finder; repair: FeedRepair; theirs: FeedSums };
type Key = VerifyKeys['keys'][number];

async function compareKeys(work: Work, kind: string, buckets: number[]): Promise<void> {
  const { hub, cursor, finder, repair, theirs } = work;
  const { scope, number, hash } = cursor;
  const { keys } = await hub.verifyKeys({ scope, number, hash, kind, buckets });
  const lying = lyingBuckets(theirs, kind, buckets, keys);
  for (const bucket of lying)
    finder.add(
      'hub-digest',
      `${scope} ${kind}, bucket ${bucket}: the sum is not that of the records that head office names`,
    );
  const honest = keys.filter(({ key }) => !lying.has(bucketOf(kind, key)));
  const known = new Map(honest.map((key) => [key.key, key]));
  const ours = new Map((await keysOf(work, kind, buckets)).map((key) => [key.key, key]));
  const wanted: Key[] = [];
  for (const key of honest) {
    const here = ours.get(key.key);
    if (here?.hash === key.hash) continue;
    const place = `${scope} ${kind} ${key.key} (bucket ${bucketOf(kind, key.key)})`;
    if (here === undefined) finder.add('feed-missing', `${place}: version ${key.version} is not there`);
    else
      finder.add(
        'feed-altered',
        `${place}: ${here.hash}, version ${here.version}; head office has ${key.hash}, version ${key.version}`,
      );
    wanted.push(key);
  }
  for (const { key } of ours.values()) {
    if (known.has(key) || lying.has(bucketOf(kind, key))) continue;
    finder.add('feed-extra', `${scope} ${kind} ${key} (bucket ${bucketOf(kind, key)}): head office has no such record`);
    repair.extra.push({ kind, key });
  }
  if (repair.records.length + wanted.length + repair.extra.length > REPAIRED_MAX) repair.whole = true;
  else await fetchRecords(work, kind, wanted);
}

async function keysOf({ jobs, cursor, breathe }: Work, kind: string, buckets: number[]): Promise<Key[]> {
  const found: Key[] = [];
  for (let place: FeedPlace | null = FEED_START; place !== null;) {
    await breathe();
    const { keys, next }: KeysFound = await jobs.read('find-keys', { take: cursor.take, place, kind, buckets });
    found.push(...keys);
    place = next;
  }
  return found;
}

/** A hub whose sums are not those of what it names cannot be asked what is right. */
function lyingBuckets(theirs: FeedSums, kind: string, buckets: readonly number[], keys: readonly Key[]): Set<number> {
  const named = new FeedSums();
  for (const { key, hash } of keys) named.addRecord(kind, key, hash);
  const differing = FeedSums.differing(theirs, named).filter(
    (each) => each.kind === kind && buckets.includes(each.bucket),
  );
  return new Set(differing.map(({ bucket }) => bucket));
}

/** Only what hashes to what was summed is taken. */
async function fetchRecords(
  { hub, cursor, finder, repair }: Work,
  kind: string,
  wanted: readonly Key[],
): Promise<void> {
  const { scope, number, hash } = cursor;
  for (let from = 0; from < wanted.length; from += VERIFY_KEYS_MAX) {
    const part = wanted.slice(from, from + VERIFY_KEYS_MAX);
    const { records } = await hub.verifyRecords({ scope, number, hash, kind, keys: part.map(({ key }) => key) });
    const byKey = new Map(records.map((record) => [record.key, record]));
    for (const { key, version, hash: told } of part) {
      const record = byKey.get(key);
      const isTold =
        record?.kind === kind &&
        record.version === version &&
        bodyHashOf(record.body) === record.bodyHash &&
        recordHash(kind, key, version, record.bodyHash) === told;
      if (isTold) repair.records.push(record);
      else
        finder.add(
          'hub-digest',
          `${scope} ${kind} ${key}: the record that head office gives is not the one it summed up`,
        );
    }
  }
}
