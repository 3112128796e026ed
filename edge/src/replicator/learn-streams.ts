import { HISTORIES_MAX, type HelloAnswer, type HelloRequest } from '@branchline/replication/box-protocol.js';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { PROTOCOL, type ProtocolRange } from '@branchline/replication/protocol.js';
import { offerKeysAgain } from '../customers/person-keys.js';
import { hashAt } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';
import type { LocalWrite } from '../store/write-job.js';
import { readCursors } from './feed-cursors.js';
import { followScopes } from './feed-takes.js';
import { noteLacking, type Lacking } from './history-due.js';
import { readHistories, storeAcknowledged, type Acknowledged, type Stream } from './push-state.js';
import { quarantinedNews, type Quarantined } from './quarantined-told.js';
import { writeEntries, type SyncLogEntry } from './sync-log.js';

/** Who asks: its release, and which process it is; a question on the way does not say. */
export type HelloBy = { version: string; instance?: string };

/** What the box says of itself, in its newest protocol: its histories, newest last, its own heads to be compared, its cursors. */
export function helloRequestOf(tx: ReadTx, streams: readonly Stream[], { version, instance }: HelloBy): HelloRequest {
  const named = streams.slice(-HISTORIES_MAX);
  return {
    protocol: PROTOCOL,
    version,
    contract: CONTRACT,
    incarnations: named.map(({ incarnationNo, incarnation, lastSeq, appliedSeq }) => {
      return { incarnation, seq: lastSeq, hash: knownHash(tx, incarnationNo, lastSeq), appliedSeq };
    }),
    hashesAt: named.map(({ incarnation, lastSeq }) => ({ incarnation, seq: lastSeq })),
    cursors: readCursors(tx).map(({ scope, hubEpoch, number, hash }) => ({ scope, hubEpoch, number, hash })),
    ...(instance !== undefined && { instance }),
    hubEpoch: readHubEpoch(tx),
    ...hubMemory(tx),
  };
}

/**
 * `acknowledged`: the hub's history of it is the start of ours, up to there · `ahead`: ours is the start of the hub's ·
 * `fork`: they differ, `hubSeq` is how far the hub's goes · `left`: another box's, of which the hub has lost what is
 * behind `commonSeq`: that box may never push it again, and this one may not.
 */
export type StreamVerdict =
  | ({ kind: 'acknowledged' } & Acknowledged)
  | ({ kind: 'ahead'; stream: Stream; hubSeq: number; hubHash: string } & Acknowledged)
  | { kind: 'fork'; stream: Stream; hubSeq: number }
  | { kind: 'left'; stream: Stream; commonSeq: number };

/** Equal hashes prove equal histories; nothing is believed without. One that the hub does not know begins at 0 again. */
export function judgeStreams(
  tx: ReadTx,
  streams: readonly Stream[],
  answer: HelloAnswer,
  ownBox: string,
): StreamVerdict[] {
  return streams.slice(-HISTORIES_MAX).map((stream): StreamVerdict => {
    const { incarnationNo, incarnation, lastSeq } = stream;
    const known = answer.streams.find((each) => each.incarnation === incarnation);
    const { appliedSeq = 0, headHash = hashAt(tx, incarnationNo, 0), durableSeq = 0 } = known ?? {};
    const common = { incarnationNo, appliedSeq: Math.min(appliedSeq, lastSeq), durableSeq };
    if (appliedSeq <= lastSeq) {
      const equal = appliedSeq === 0 || hashAt(tx, incarnationNo, appliedSeq) === headHash;
      if (!equal) return { kind: 'fork', stream, hubSeq: appliedSeq };
      if (stream.box !== ownBox && appliedSeq < lastSeq) return { kind: 'left', stream, commonSeq: appliedSeq };
      return { kind: 'acknowledged', ...common };
    }
    const atOurHead = answer.hashes.find((each) => each.incarnation === incarnation && each.seq === lastSeq)?.hash;
    return atOurHead === knownHash(tx, incarnationNo, lastSeq)
      ? { kind: 'ahead', stream, hubSeq: appliedSeq, hubHash: String(headHash), ...common }
      : { kind: 'fork', stream, hubSeq: appliedSeq };
  });
}

export type LearntAtHello = {
  /** As they stood when the hub was asked. */
  streams: readonly Stream[];
  acknowledged: readonly Acknowledged[];
  lacking: readonly Lacking[];
  scopes: readonly string[];
  hubEpoch: string;
  /** By the hub's clock, when it answered. */
  hubNowMs: number;
  /** Highest of the branch beside this box's own; 0: none that the hub tells of. */
  epoch: number;
  memory: string | null;
  spoken: ProtocolRange;
  quarantined: Quarantined;
  entries: readonly SyncLogEntry[];
  nowMs: number;
};

/** What a hello taught, and what is told of it. */
export const learnHello: LocalWrite<LearntAtHello, void> = {
  name: 'learn-hello',
  run(
    tx,
    { streams, acknowledged, lacking, scopes, hubEpoch, hubNowMs, epoch, memory, spoken, quarantined, entries, nowMs },
  ) {
    const now = new Map(readHistories(tx).map(({ incarnationNo, appliedSeq }) => [incarnationNo, appliedSeq]));
    const setAside: SyncLogEntry[] = [];
    for (const learnt of acknowledged) {
      // A push that was acknowledged while hello was under way knows better.
      const stream = streams.find(({ incarnationNo }) => incarnationNo === learnt.incarnationNo);
      if (stream === undefined || now.get(learnt.incarnationNo) !== stream.appliedSeq) continue;
      storeAcknowledged(tx, learnt, nowMs);
      const { incarnation, appliedSeq: before } = stream;
      setAside.push(...quarantinedNews(quarantined, { incarnation, before, appliedSeq: learnt.appliedSeq }));
    }
    noteLacking(tx, lacking, nowMs);
    const before = readHubEpoch(tx);
    tx.run(
      `INSERT INTO hub_known (id, hub_epoch, epoch, told_at, spoken_from, spoken_to) VALUES (1, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET hub_epoch = excluded.hub_epoch, epoch = max(epoch, excluded.epoch),
         told_at = excluded.told_at, spoken_from = excluded.spoken_from, spoken_to = excluded.spoken_to`,
      hubEpoch,
      epoch,
      hubNowMs,
      spoken.from,
      spoken.to,
    );
    keepHubMemory(tx, memory);
    const isRenewed = before !== null && before !== hubEpoch;
    if (isRenewed) offerKeysAgain(tx);
    writeEntries(tx, nowMs, [...entries, ...setAside, ...(isRenewed ? [HUB_RENEWED] : []), ...followed(tx, scopes)]);
  },
};

const HUB_RENEWED: SyncLogEntry = {
  level: 'warning',
  event: 'hub-epoch',
  detail: 'head office was restored from a backup or moved: what it has of this store is compared and completed',
};

/** @param memory null: a hub of before, or one that was set back to it, which would not know it again */
export function keepHubMemory(tx: Tx, memory: string | null): void {
  if (memory === null) tx.run('DELETE FROM hub_memory');
  else
    tx.run(
      'INSERT INTO hub_memory (id, memory) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET memory = excluded.memory',
      memory,
    );
}

function hubMemory(tx: ReadTx): { memory?: string } {
  return tx.get<{ memory: string }>('SELECT memory FROM hub_memory') ?? {};
}

/** By the hub's clock, when it last spoke on the line; 0: it never did. */
export function lastToldAtMs(tx: ReadTx): number {
  return tx.get<{ toldAtMs: number }>('SELECT told_at AS toldAtMs FROM hub_known')?.toldAtMs ?? 0;
}

/** As the hub said last, by line or in a bundle; null: it never did. */
export function spokenByHub(tx: ReadTx): ProtocolRange | null {
  return tx.get<ProtocolRange>('SELECT spoken_from AS "from", spoken_to AS "to" FROM hub_known') ?? null;
}

export function readHubEpoch(tx: ReadTx): string | null {
  return tx.get<{ hubEpoch: string }>('SELECT hub_epoch AS hubEpoch FROM hub_known')?.hubEpoch ?? null;
}

function followed(tx: Tx, scopes: readonly string[]): SyncLogEntry[] {
  const { joined, left } = followScopes(tx, scopes);
  const entries: SyncLogEntry[] = [];
  if (joined.length > 0)
    entries.push({ level: 'info', event: 'scope-joined', detail: `now following ${joined.join(', ')}` });
  if (left.length > 0)
    entries.push({ level: 'warning', event: 'scope-left', detail: `no longer following ${left.join(', ')}` });
  return entries;
}

function knownHash(tx: ReadTx, incarnationNo: number, seq: number): string {
  const hash = hashAt(tx, incarnationNo, seq);
  if (hash === null) throw new Error(`no line ${seq} in incarnation ${incarnationNo}`);
  return hash;
}
