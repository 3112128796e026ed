import type { HelloAnswer } from '@branchline/replication/box-protocol.js';
import { hashAt } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { readCursors } from './feed-cursors.js';
import { followScopes } from './feed-takes.js';
import { readStreams, storeAcknowledged, type Acknowledged, type Stream } from './push-state.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

export type BundleTold = { bundle: string; createdAtMs: number };

/** The bundle of head office that was made last of those taken in. */
export type LastBundle = BundleTold & { atMs: number };

export function lastBundleIn(tx: ReadTx): LastBundle | null {
  return tx.get<LastBundle>('SELECT bundle, created_at AS createdAtMs, at AS atMs FROM bundle_in') ?? null;
}

/** Than the newest that was taken in. The same one is not: it may have been broken off. */
export function isOlder(last: LastBundle | null, { bundle, createdAtMs }: BundleTold): boolean {
  return last !== null && last.bundle !== bundle && last.createdAtMs >= createdAtMs;
}

/** What a bundle says of one history that is here. `forked`: the hub's goes another way after `commonSeq`. */
export type BundleVerdict =
  ({ kind: 'acknowledged' } & Acknowledged) | { kind: 'forked'; stream: Stream; commonSeq: number };

/**
 * As `judgeStreams`, for an answer that nobody can be asked about: it is of a while ago, and this file may have moved since.
 * So nothing that it does not name is taken for unknown to the hub, and hub lines that are not here are judged by the
 * nearest of the hashes that the box asked for when it wrote its own bundle.
 */
export function judgeBundle(tx: ReadTx, streams: readonly Stream[], answer: HelloAnswer): BundleVerdict[] {
  return streams.flatMap((stream): BundleVerdict[] => {
    const { incarnation, incarnationNo, lastSeq } = stream;
    const known = answer.streams.find((each) => each.incarnation === incarnation);
    const asked = answer.hashes.filter((each) => each.incarnation === incarnation && each.seq <= lastSeq);
    if (known === undefined) {
      return asked.length === 0 ? [] : [{ kind: 'acknowledged', incarnationNo, appliedSeq: 0, durableSeq: 0 }];
    }
    const { appliedSeq, headHash, durableSeq } = known;
    const hubs = [...asked, ...(appliedSeq <= lastSeq ? [{ seq: appliedSeq, hash: headHash }] : [])];
    const isOurs = ({ seq, hash }: { seq: number; hash: string | null }): boolean =>
      seq === 0 || hashAt(tx, incarnationNo, seq) === hash;
    const held = hubs.filter(({ hash }) => hash !== null);
    const commonSeq = Math.max(0, ...held.filter(isOurs).map(({ seq }) => seq));
    if (!held.every(isOurs)) return [{ kind: 'forked', stream, commonSeq }];
    return [{ kind: 'acknowledged', incarnationNo, appliedSeq: commonSeq, durableSeq }];
  });
}

export type LearntOfBundle = BundleTold & {
  acknowledged: readonly Acknowledged[];
  hubEpoch: string;
  scopes: readonly string[];
  entries: readonly SyncLogEntry[];
  nowMs: number;
};

/**
 * What a bundle taught. One that is older than another that was taken in teaches nothing: it knows less.
 * Acknowledgements move forward; back only when it is of another life of the hub than what came last: then it was restored,
 * and says what it has.
 */
export const learnBundle: LocalWrite<LearntOfBundle, { isNewest: boolean }> = {
  name: 'learn-bundle',
  run(tx, { bundle, createdAtMs, acknowledged, hubEpoch, scopes, entries, nowMs }) {
    if (isOlder(lastBundleIn(tx), { bundle, createdAtMs })) return { isNewest: false };
    const isAgain = lastBundleIn(tx)?.bundle === bundle;
    const now = new Map(readStreams(tx).map(({ incarnationNo, appliedSeq }) => [incarnationNo, appliedSeq]));
    const isOtherLife = readCursors(tx).some((cursor) => cursor.hubEpoch !== null && cursor.hubEpoch !== hubEpoch);
    for (const learnt of acknowledged) {
      const before = now.get(learnt.incarnationNo);
      if (before !== undefined && (isOtherLife || learnt.appliedSeq >= before)) storeAcknowledged(tx, learnt, nowMs);
    }
    tx.run(
      `INSERT INTO bundle_in (id, bundle, created_at, at) VALUES (1, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET bundle = excluded.bundle, created_at = excluded.created_at, at = excluded.at`,
      bundle,
      createdAtMs,
      nowMs,
    );
    writeEntries(tx, nowMs, isAgain ? entries : [...entries, ...followed(tx, scopes)]);
    return { isNewest: true };
  },
};

function followed(tx: Tx, scopes: readonly string[]): SyncLogEntry[] {
  const { joined, left } = followScopes(tx, scopes);
  const entry = (event: string, which: readonly string[]): SyncLogEntry[] =>
    which.length === 0 ? [] : [{ level: 'info', event, detail: which.join(', ') }];
  return [...entry('scope-joined', joined), ...entry('scope-left', left)];
}
