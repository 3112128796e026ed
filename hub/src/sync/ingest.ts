import { problem } from '@branchline/http/problem.js';
import { GENESIS_HASH } from '@branchline/replication/chain.js';
import {
  MalformedPush,
  type PushAnswer,
  type PushHeader,
  type ReceivedLine,
  type ReceivedPush,
} from '@branchline/replication/push.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { durableSeqs } from '../backups/durable.js';
import { together, type Tx } from '../database/unit-of-work.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import { publishWorkLists } from '../worklists/publish-work-lists.js';
import type { NewConflict } from '../worklists/record-conflict.js';
import { archiveChunks } from './archive.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch } from './facts.js';
import { packLines, type JournalChunk } from './journal-chunk.js';
import { openIncarnation, type BoxOfStream } from './open-incarnation.js';
import { projectInOrder } from './project-in-order.js';
import type { LineReading, SetAside } from './read-line.js';
import type { ReadPush } from './read-push.js';
import { advanceStream, findHash, findRival, findStream, lockBranch, type Rival, type Stream } from './streams.js';
import { PARENT_TOPIC, quarantinedOf, recordOutcome, recordSetAside } from './set-aside.js';

export type IngestContext = { box: BoxOfStream; timeZone: string; currency: string; nowMs: number; newId: NewId };

export type IngestOutcome =
  | {
      outcome: 'applied';
      answer: PushAnswer;
      appliedLines: number;
      setAside: SetAside[];
      mismatches: Mismatch[];
      disputes: NewConflict[];
    }
  /** `hash`: ours at `fromSeq − 1`, null where we have no such line. */
  | { outcome: 'fork'; hash: string | null; appliedSeq: number }
  | { outcome: 'seq-gap'; appliedSeq: number };

/** What the hub holds of a history and its branch, read under the branch's lock. `rival`: see `findRival`. */
export type Standing = {
  waitsForParent: boolean;
  stream: Stream | null;
  rival: Rival | null;
  durableSeq: number;
};

/** Takes the branch's lock, and reads behind it all that a push is measured by. */
export async function takeStanding(tx: Tx, of: StreamPlace, nowMs: number): Promise<Standing> {
  const [{ waitsForParent }, stream, rival, durable] = await together(
    lockBranch(tx, of, nowMs),
    findStream(tx, of.branchId, of.incarnation),
    findRival(tx, of, nowMs),
    durableSeqs(tx, of.branchId, [of.incarnation]),
  );
  return { waitsForParent, stream, rival, durableSeq: durable.get(of.incarnation) ?? 0 };
}

type StreamPlace = { tenantId: string; branchId: string; incarnation: string };

/**
 * Takes a push in, whole, in one transaction: what was applied before is checked and passed over, what follows is
 * archived as it came, projected, and the stream advances. Lines that cannot be projected are set aside; they never stop
 * the stream. The push's own chain and its signature were proved before; `readings` are of its lines, one each, and
 * `packed` are they all.
 *
 * @throws MalformedPush, Problem `not-yours`
 */
export async function ingest(
  tx: Tx,
  push: ReceivedPush,
  { readings, packed }: ReadPush,
  { waitsForParent, stream: known, rival, durableSeq }: Standing,
  context: IngestContext,
): Promise<IngestOutcome> {
  const { header, lines } = push;
  const { box } = context;
  if (known && known.boxId !== box.boxId) throw problem('not-yours', 'This incarnation is another box’s.');
  const appliedSeq = known?.appliedSeq ?? 0;
  if (header.fromSeq > appliedSeq + 1) return { outcome: 'seq-gap', appliedSeq };
  if (known) {
    const fork = await findFork(tx, known, push);
    if (fork) return fork;
  } else if (header.previousHash !== GENESIS_HASH.toString('hex')) {
    throw new MalformedPush('the first line of an incarnation follows 32 zero bytes');
  }
  if (!known) await openIncarnation(tx, header.incarnation, readings[0], context);
  const overlap = appliedSeq + 1 - header.fromSeq;
  const fresh = lines.slice(overlap);
  const chunks = overlap === 0 ? packed : await packLines(fresh, appliedSeq + 1);
  if (rival && fresh.length > 0) await reportRival(tx, header.incarnation, rival, context);
  const applied = await apply(tx, header, { fresh, chunks, readings: readings.slice(overlap) }, context);
  if (waitsForParent && fresh.length > 0) tx.announced.add(PARENT_TOPIC);
  const head = fresh.at(-1)?.hash.toString('hex') ?? (known as Stream).headHash;
  // Of lines that are all new and all facts none can wait: nearly always nothing is asked.
  const mayWait = overlap > 0 || applied.setAside.length > 0;
  const lastSeq = header.fromSeq + header.count - 1;
  const answer: PushAnswer = {
    appliedSeq: appliedSeq + fresh.length,
    headHash: head,
    durableSeq: Math.min(durableSeq, appliedSeq + fresh.length),
    quarantined: mayWait ? await quarantinedOf(tx, box.branchId, header.incarnation, header.fromSeq, lastSeq) : [],
    directives: [],
  };
  return { outcome: 'applied', answer, appliedLines: fresh.length, ...applied };
}

/** Nothing is refused for it: both histories stand, and people decide which box goes. */
async function reportRival(
  tx: Tx,
  incarnation: string,
  rival: Rival,
  { box, nowMs, newId }: IngestContext,
): Promise<void> {
  const key = [incarnation, rival.incarnation].sort().join(' ');
  const detail = `two histories of the branch grow at once: ${incarnation} of box ${box.boxId}, ${rival.incarnation} of box ${rival.boxId}. One of them is a copy, or was replaced: revoke it.`;
  await raiseIncident(tx, { branchId: box.branchId, code: 'two-histories', key, detail }, { nowMs, newId });
}

/** Hashes are cumulative: equal before the first line and at the last one we both have, all between is equal too. */
async function findFork(tx: Tx, stream: Stream, { header, lines }: ReceivedPush): Promise<IngestOutcome | null> {
  const ours = await findHash(tx, stream, header.fromSeq - 1);
  const fork: IngestOutcome = { outcome: 'fork', hash: ours, appliedSeq: stream.appliedSeq };
  if (ours !== header.previousHash) return fork;
  const lastShared = Math.min(stream.appliedSeq, header.fromSeq + header.count - 1);
  if (lastShared < header.fromSeq) return null;
  const theirs = lines[lastShared - header.fromSeq]?.hash.toString('hex');
  return theirs === (await findHash(tx, stream, lastShared)) ? null : fork;
}

/** `fresh`: the last lines of the push, so that its signature is over the head that they lead to. */
type FreshLines = { fresh: readonly ReceivedLine[]; chunks: readonly JournalChunk[]; readings: readonly LineReading[] };

async function apply(
  tx: Tx,
  { incarnation, fromSeq, count, signature: headSignature }: PushHeader,
  { fresh, chunks, readings }: FreshLines,
  context: IngestContext,
): Promise<{ setAside: SetAside[]; mismatches: Mismatch[]; disputes: NewConflict[] }> {
  const last = fresh.at(-1);
  if (!last) return { setAside: [], mismatches: [], disputes: [] };
  const { box, nowMs, timeZone, currency } = context;
  const appliedSeq = fromSeq + count - 1;
  const facts: FactContext = { tenantId: box.tenantId, branchId: box.branchId, incarnation, timeZone, currency, nowMs };
  const ready = readings.flatMap((reading) => ('ready' in reading ? [reading.ready] : []));
  const unread = readings.flatMap((reading) => ('setAside' in reading ? [reading.setAside] : []));
  const atMs = readings.reduce((latest, reading) => reading.label.atMs || latest, nowMs);
  const [, , projected] = await together(
    archiveChunks(tx, { ...box, incarnation, nowMs, headSignature }, chunks),
    advanceStream(tx, facts, { appliedSeq, headHash: last.hash, headSignature, lastLineAtMs: atMs }),
    projectInOrder(tx, facts, ready),
  );
  const { setAside: mismatched, isNews } = await recordOutcome(tx, facts, ready, projected, context.newId);
  const setAside = [...unread, ...projected.setAside, ...mismatched];
  await recordSetAside(tx, facts, setAside, context.newId);
  if (isNews || setAside.length > 0) await publishWorkLists(tx, box.branchId, nowMs);
  return { setAside, mismatches: projected.mismatches, disputes: projected.disputes };
}
