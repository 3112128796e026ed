import { sign } from 'node:crypto';
import type { Clock } from '@branchline/domain/clock.js';
import { problem } from '@branchline/http/problem.js';
import { HISTORIES_MAX } from '@branchline/replication/box-protocol.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import { sealPersonKeys } from '@branchline/replication/person-keys.js';
import { commonProtocol, SPOKEN, type ProtocolRange } from '@branchline/replication/protocol.js';
import { brotli, brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import type { BoxIdentity } from '../store/box.js';
import { isDamagedLine } from '../store/line-storage.js';
import type { ReadTx } from '../store/tx.js';
import { wantsOf } from './bundle-wants-of.js';
import { helloRequestOf, spokenByHub } from './learn-streams.js';
import { keysToOffer } from './person-key-keeping.js';
import { nextBatch } from './push-batch.js';
import { readHistories, readStreams, type Stream } from './push-state.js';

/** Of one push: what a hub takes in a few hundred milliseconds. */
const PUSH_LINES = 1_000;
const PUSH_BYTES = 4 * 1024 * 1024;

export type BundleOutParts = {
  tx: ReadTx;
  box: BoxIdentity;
  version: string;
  clock: Clock;
  newId: () => string;
  /** Absent: what this release speaks. */
  spoken?: ProtocolRange;
};

/** What went in; `damaged`: histories of which the lines from a damaged one on stay here. Known once all bytes are read. */
export type BundleOut = { bundle: string; createdAtMs: number; lines: number; damaged: string[]; isCut: boolean };

/**
 * Writes what head office does not have, for a stick: as the line would bring it, signed by this box, sealed to the hub. The
 * store sells on; a push is in memory.
 *
 * @param whole all there is, for a head office that has lost it; else what it has not acknowledged
 * @throws Problem `no-hub-keys`
 */
export function bundleOut(
  { tx, box, version, clock, newId, spoken = SPOKEN }: BundleOutParts,
  whole: boolean,
): { out: BundleOut; bytes: AsyncIterable<Buffer> } {
  if (box.hubKeys === null) throw problem('no-hub-keys');
  const { tenant, branch, box: boxId, signingKey, hubKeys } = box;
  const out: BundleOut = { bundle: newId(), createdAtMs: clock.now(), lines: 0, damaged: [], isCut: false };
  const header = {
    ...{ direction: 'up' as const, tenant, branch, box: boxId, bundle: out.bundle },
    ...{ createdAt: out.createdAtMs, sealedTo: hubKeys.sealingKey },
  };
  const records = recordsOf(tx, { ...box, protocol: protocolFor(tx, spoken) }, version, whole, out);
  const bytes = writeBundle(header, records, (message) => sign(null, message, signingKey), {
    onEnd: ({ isCut }) => (out.isCut = isCut),
  });
  return { out, bytes };
}

/** The newest that head office spoke too when it was heard last; where it was not, or spoke none of ours, it says what it wants. */
function protocolFor(tx: ReadTx, spoken: ProtocolRange): number {
  const hub = spokenByHub(tx);
  return (hub && commonProtocol(spoken, hub)) ?? spoken.to;
}

type Writer = BoxIdentity & { protocol: number };

async function* recordsOf(
  tx: ReadTx,
  box: Writer,
  version: string,
  whole: boolean,
  out: BundleOut,
): AsyncGenerator<BundleRecord> {
  const streams = readStreams(tx);
  const hello = helloRequestOf(tx, readHistories(tx), { version });
  const request = { ...hello, protocol: box.protocol, hashesAt: probesOf(streams) };
  yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(request) };
  yield { label: { kind: 'wants', encoding: 'br' }, body: await brotliJson(await wantsOf(tx, box)) };
  yield* personKeysOf(tx, box, whole);
  for (const stream of streams) {
    try {
      yield* pushesOf(tx, box, stream, whole, out);
    } catch (error) {
      // Those before it are in, and so are the other histories.
      if (!isDamagedLine(error)) throw error;
      out.damaged.push(error.message);
    }
  }
}

/** Those that head office is not known to have: before the lines that name their persons, as by line. */
async function* personKeysOf(tx: ReadTx, box: BoxIdentity, whole: boolean): AsyncGenerator<BundleRecord> {
  if (box.hubKeys === null) return;
  for (let after = ''; ;) {
    const { persons, keys } = keysToOffer(tx, box, { after, all: whole });
    const last = persons.at(-1);
    if (last === undefined) return;
    after = last;
    const sealed = sealPersonKeys(keys, box.hubKeys.sealingKey);
    yield { label: { kind: 'person-keys', encoding: 'br' }, body: await brotliJson({ sealed }) };
  }
}

async function* pushesOf(
  tx: ReadTx,
  box: Writer,
  stream: Stream,
  whole: boolean,
  out: BundleOut,
): AsyncGenerator<BundleRecord> {
  // As it stood when the bundle was begun: what is sold meanwhile goes with the next.
  for (let sent = whole ? 0 : stream.appliedSeq; sent < stream.lastSeq;) {
    const max = { lines: Math.min(PUSH_LINES, stream.lastSeq - sent), bytes: PUSH_BYTES };
    const batch = await nextBatch(tx, { ...stream, appliedSeq: sent }, max, box, 'packed');
    const { incarnation, fromSeq, lastSeq, mediaType } = batch;
    yield {
      label: { kind: 'push', encoding: 'br', mediaType, incarnation, fromSeq, lastSeq },
      body: await brotli(batch.body),
    };
    out.lines += lastSeq - fromSeq + 1;
    sent = lastSeq;
  }
}

/**
 * Where the hub is asked for its hashes. There is one answer and no second question: so near the end closely, further back
 * ever more rarely, and where histories part is known to within a factor of two.
 */
export function probesOf(streams: readonly Pick<Stream, 'incarnation' | 'lastSeq'>[]): {
  incarnation: string;
  seq: number;
}[] {
  return [...streams]
    .reverse()
    .flatMap(({ incarnation, lastSeq }) => {
      const probes: { incarnation: string; seq: number }[] = [];
      for (let back = 0; back < lastSeq; back = 2 * back + 1) probes.push({ incarnation, seq: lastSeq - back });
      return probes;
    })
    .slice(0, HISTORIES_MAX);
}
