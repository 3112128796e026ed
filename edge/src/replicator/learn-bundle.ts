import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import type { ProtocolRange } from '@branchline/replication/protocol.js';
import { offerKeysAgain } from '../customers/person-keys.js';
import { hashAt } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import type { HubHash } from './bundle-lines.js';
import { readCursors } from './feed-cursors.js';
import { followScopes } from './feed-takes.js';
import { noteLacking, type Lacking } from './history-due.js';
import type { ProvenHistories } from './proven-histories.js';
import { keepHubMemory, lastToldAtMs } from './learn-streams.js';
import { readStreams, storeAcknowledged, type Acknowledged, type Stream } from './push-state.js';
import { quarantinedNews, type Quarantined } from './quarantined-told.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

export type BundleTold = { bundle: string; createdAtMs: number };

/** The bundle of head office that was made last of those taken in. */
export type LastBundle = BundleTold & { atMs: number };

export function lastBundleIn(tx: ReadTx): LastBundle | null {
  return tx.get<LastBundle>('SELECT bundle, created_at AS createdAtMs, at AS atMs FROM bundle_in') ?? null;
}

/**
 * Than the newest that was taken in, or than what the hub said last where there is a line: a stick that lay in a drawer must
 * not bring a store back to the prices of before. The same bundle again is not: it may have been broken off.
 */
export function isOlder(tx: ReadTx, { bundle, createdAtMs }: BundleTold): boolean {
  if (lastToldAtMs(tx) > createdAtMs) return true;
  const last = lastBundleIn(tx);
  return last !== null && last.bundle !== bundle && last.createdAtMs >= createdAtMs;
}

/**
 * What a bundle says of one history that is here. `forked`: the hub's goes another way after `commonSeq` · `ahead`: the hub
 * has more; `isProven`: what is here is the start of it.
 */
export type BundleVerdict =
  | ({ kind: 'acknowledged' } & Acknowledged)
  | { kind: 'forked'; stream: Stream; commonSeq: number }
  | ({ kind: 'ahead'; stream: Stream; hubSeq: number; hubHash: string; isProven: boolean } & Acknowledged);

type Told = { stream: Stream; answer: HelloAnswer; carried: readonly HubHash[]; isOwn: boolean };

/**
 * As `judgeStreams`, for an answer that nobody can be asked about: it is of a while ago, and this file may have moved since.
 * So nothing that it does not name is taken for unknown to the hub, and hub lines that are not here are judged by the
 * nearest of the hashes that the box asked for when it wrote its own bundle, and by those of the lines that came.
 */
export function judgeBundle(tx: ReadTx, { stream, answer, carried, isOwn }: Told): BundleVerdict | null {
  const { incarnation, incarnationNo, lastSeq } = stream;
  const named = answer.streams.find((each) => each.incarnation === incarnation);
  const stand = named ?? answer.histories?.find((each) => each.incarnation === incarnation);
  const asked = answer.hashes.filter((each) => each.incarnation === incarnation && each.seq <= lastSeq);
  if (stand === undefined)
    return isOwn && asked.length > 0 ? { kind: 'acknowledged', incarnationNo, appliedSeq: 0, durableSeq: 0 } : null;
  const { appliedSeq, headHash } = stand;
  const head = appliedSeq <= lastSeq ? [{ seq: appliedSeq, hash: headHash }] : [];
  const held: HubHash[] = [...asked.flatMap(heldAt), ...head, ...carried];
  const isOurs = (at: HubHash): boolean => isHere(tx, incarnationNo, at);
  const commonSeq = Math.max(0, ...held.filter(isOurs).map(({ seq }) => seq));
  if (!held.every(isOurs)) return { kind: 'forked', stream, commonSeq };
  const common = { incarnationNo, appliedSeq: commonSeq, durableSeq: named?.durableSeq ?? 0 };
  if (appliedSeq > lastSeq) {
    const isProven = commonSeq === lastSeq;
    // What another box wrote came from the hub: a file that has another end of it is told so when it asks.
    return isOwn || isProven
      ? { kind: 'ahead', stream, hubSeq: appliedSeq, hubHash: headHash, isProven, ...common }
      : null;
  }
  // Of another box's history the hub may have lost the end, or not have had it yet when this was written.
  return isOwn ? { kind: 'acknowledged', ...common } : null;
}

const heldAt = ({ seq, hash }: { seq: number; hash: string | null }): HubHash[] =>
  hash === null ? [] : [{ seq, hash }];

export function isHere(tx: ReadTx, incarnationNo: number, { seq, hash }: HubHash): boolean {
  return seq === 0 || hashAt(tx, incarnationNo, seq) === hash;
}

/** What the hub has of the branch beyond this file, where the bundle proves whose it is. */
export function lackingOf(
  verdicts: readonly BundleVerdict[],
  known: readonly Stream[],
  { histories = [] }: HelloAnswer,
  proven: ProvenHistories['proven'],
): Lacking[] {
  const ahead = verdicts.flatMap((verdict): Lacking[] => {
    if (verdict.kind !== 'ahead') return [];
    const { stream, hubSeq, hubHash, isProven } = verdict;
    const { incarnation, box, lastSeq } = stream;
    const signingKey = isProven ? (proven.get(incarnation)?.signingKey ?? null) : null;
    return [{ incarnation, box, epoch: 0, lastSeq, hubSeq, hubHash, signingKey }];
  });
  const here = new Set(known.map(({ incarnation }) => incarnation));
  const unknown = histories.flatMap((history): Lacking[] => {
    const { incarnation, box, epoch, appliedSeq, headHash, signingKey } = history;
    if (here.has(incarnation) || !proven.has(incarnation)) return [];
    return [{ incarnation, box, epoch, lastSeq: 0, hubSeq: appliedSeq, hubHash: headHash, signingKey }];
  });
  return [...ahead, ...unknown];
}

export type LearntOfBundle = BundleTold & {
  acknowledged: readonly Acknowledged[];
  lacking: readonly Lacking[];
  hubEpoch: string;
  /** Highest of the branch beside this box's own; 0: none that head office tells of. */
  epoch: number;
  memory: string | null;
  spoken: ProtocolRange;
  quarantined: Quarantined;
  scopes: readonly string[];
  entries: readonly SyncLogEntry[];
  nowMs: number;
};

/**
 * What a bundle taught. One that is older than another that was taken in, or than what came by line, teaches nothing: it knows less.
 * Acknowledgements move forward; back only when it is of another life of the hub than what came last: then it was restored,
 * and says what it has.
 */
export const learnBundle: LocalWrite<LearntOfBundle, { isNewest: boolean }> = {
  name: 'learn-bundle',
  run(
    tx,
    {
      bundle,
      createdAtMs,
      acknowledged,
      lacking,
      hubEpoch,
      epoch,
      memory,
      spoken,
      quarantined,
      scopes,
      entries,
      nowMs,
    },
  ) {
    if (isOlder(tx, { bundle, createdAtMs })) return { isNewest: false };
    const isAgain = lastBundleIn(tx)?.bundle === bundle;
    const now = new Map(readStreams(tx).map((stream) => [stream.incarnationNo, stream]));
    const setAside: SyncLogEntry[] = [];
    const isOtherLife = readCursors(tx).some((cursor) => cursor.hubEpoch !== null && cursor.hubEpoch !== hubEpoch);
    if (isOtherLife) offerKeysAgain(tx);
    for (const learnt of acknowledged) {
      const stream = now.get(learnt.incarnationNo);
      if (stream === undefined || (!isOtherLife && learnt.appliedSeq < stream.appliedSeq)) continue;
      storeAcknowledged(tx, learnt, nowMs);
      const { incarnation, appliedSeq: before } = stream;
      setAside.push(...quarantinedNews(quarantined, { incarnation, before, appliedSeq: learnt.appliedSeq }));
    }
    noteLacking(tx, lacking, nowMs);
    // Which life of the hub it is, is known better by whoever was on the line.
    tx.run(
      `INSERT INTO hub_known (id, hub_epoch, epoch, told_at, spoken_from, spoken_to) VALUES (1, ?, ?, 0, ?, ?)
       ON CONFLICT (id) DO UPDATE SET epoch = max(epoch, excluded.epoch), spoken_from = excluded.spoken_from,
         spoken_to = excluded.spoken_to`,
      hubEpoch,
      epoch,
      spoken.from,
      spoken.to,
    );
    tx.run(
      `INSERT INTO bundle_in (id, bundle, created_at, at) VALUES (1, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET bundle = excluded.bundle, created_at = excluded.created_at, at = excluded.at`,
      bundle,
      createdAtMs,
      nowMs,
    );
    keepHubMemory(tx, memory);
    writeEntries(tx, nowMs, [...entries, ...setAside, ...(isAgain ? [] : followed(tx, scopes))]);
    return { isNewest: true };
  },
};

function followed(tx: Tx, scopes: readonly string[]): SyncLogEntry[] {
  const { joined, left } = followScopes(tx, scopes);
  const entry = (event: string, which: readonly string[]): SyncLogEntry[] =>
    which.length === 0 ? [] : [{ level: 'info', event, detail: which.join(', ') }];
  return [...entry('scope-joined', joined), ...entry('scope-left', left)];
}
