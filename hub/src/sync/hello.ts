import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { SPOKEN } from '@branchline/replication/protocol.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { problem } from '@branchline/http/problem.js';
import { durableSeqs } from '../backups/durable.js';
import { hubEpoch, renewLostEpoch } from '../database/hub-epoch.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { cursorVerdict } from '../feed/read-feed.js';
import { scopesOfBranch, type BranchPlace } from '../feed/scopes.js';
import { noteCursors } from '../feed/told-cursors.js';
import { raiseIncident } from '../incidents/raise-incident.js';
import type { HubSecrets } from '../secrets.js';
import { isProofAsked } from '../verify/box-proof.js';
import { archivedHashes } from './archive.js';
import { highestEpoch, historiesLackedBy } from './histories.js';
import { readMemory, REMEMBERED_HISTORIES_MAX, writeMemory, type HubMemory } from './hub-memory.js';
import { noteContact } from './note-contact.js';
import { assertSpoken } from './spoken.js';
import { findStreams } from './streams.js';
import { quarantinedUnheard } from './unheard.js';

export type HelloParts = { database: Database; secrets: HubSecrets; clock: Clock; newId: NewId };

type Box = PrincipalOf<'box'>;

/**
 * What hub and edge hold of each other, so that the edge can decide what to do. Only reads (but for notes of the contact,
 * of what is odd about it, and of the cursors), takes no lock that a push holds, and sees nothing but the box's own branch.
 *
 * A box which shows that this hub had more than is here has outlived what it had: a backup was put in its place. Then a new
 * epoch begins, for this box and all others. What a box only says of it is an incident.
 *
 * @throws Problem `protocol`, `invalid-field`
 */
export async function hello(parts: HelloParts, box: Box, request: HelloRequest): Promise<HelloAnswer> {
  assertAnswerable(request);
  const { answer, lost } = await parts.database.transaction(box.tenantId, async (tx) => {
    await noteContact(tx, box, request, { nowMs: parts.clock.now(), newId: parts.newId });
    return answerTo(tx, parts, box, request);
  });
  return withEpoch(parts, answer, lost);
}

/**
 * The same for what came as a bundle: nobody was on the line. There is no second question, so that histories which may have
 * parted are among those that the box lacks, from the last line on that both are known to have.
 *
 * @param saidAtMs when the box wrote it @throws Problem `protocol`, `invalid-field`
 */
export async function helloOfBundle(
  parts: HelloParts,
  box: Box,
  request: HelloRequest,
  saidAtMs: number,
): Promise<HelloAnswer> {
  assertAnswerable(request);
  const { answer, lost } = await parts.database.transaction(box.tenantId, (tx) =>
    answerTo(tx, parts, box, request, { saidAtMs, shared: sharedSeqs }),
  );
  return withEpoch(parts, answer, lost);
}

/** Up to where the hub has what the box has, for each of the histories that the box names. */
type SharedSeqs = (
  named: HelloRequest['incarnations'],
  answer: Pick<HelloAnswer, 'streams' | 'hashes'>,
) => { incarnation: string; seq: number }[];

/**
 * Up to the box's own end, unless the hub was asked for its hash there and has another one, or none: the history parted, or
 * the hub would not take its end. Then only what was acknowledged to the box is known to be of both.
 */
export const sharedSeqs: SharedSeqs = (named, { streams, hashes }) =>
  named.map(({ incarnation, seq, hash, appliedSeq: told = 0 }) => {
    const there = hashes.find((each) => each.incarnation === incarnation && each.seq === seq);
    if (there === undefined || there.hash === hash) return { incarnation, seq };
    const held = streams.find((stream) => stream.incarnation === incarnation)?.appliedSeq ?? 0;
    return { incarnation, seq: Math.min(told, held, seq) };
  });

async function withEpoch(parts: HelloParts, answer: HelloAnswer, lost: string | null): Promise<HelloAnswer> {
  if (lost === null) return answer;
  const renewed = await renewLostEpoch(parts.database, answer.hubEpoch, parts.newId);
  return { ...answer, hubEpoch: renewed ?? answer.hubEpoch };
}

/** A box has one cursor in a scope; a thousand of one scope would be a thousand questions to the database. @throws Problem */
export function assertAnswerable({ protocol, cursors }: HelloRequest): void {
  assertSpoken(protocol);
  if (new Set(cursors.map(({ scope }) => scope)).size < cursors.length)
    throw problem('invalid-field', 'cursors: two of one scope');
}

async function answerTo(
  tx: Tx,
  { secrets, clock, newId }: HelloParts,
  box: Box,
  request: HelloRequest,
  carried: { saidAtMs: number; shared: SharedSeqs } | null = null,
): Promise<{ answer: HelloAnswer; lost: string | null }> {
  const nowMs = clock.now();
  const branch = await tx.one<BranchPlace>(
    'SELECT id, region, price_zone AS "priceZone", assortment FROM branch WHERE id = $1',
    [box.branchId],
  );
  const scopes = scopesOfBranch(branch);
  const named = request.incarnations;
  await noteCursors(tx, box.boxId, scopes, request.cursors, carried?.saidAtMs ?? nowMs, carried !== null);
  const streams = await findStreams(
    tx,
    box.branchId,
    named.map(({ incarnation }) => incarnation),
  );
  const durable = await durableSeqs(
    tx,
    box.branchId,
    streams.map(({ incarnation }) => incarnation),
  );
  const held = {
    streams: streams.map(({ incarnation, appliedSeq, headHash }) => ({
      incarnation,
      appliedSeq,
      headHash,
      durableSeq: Math.min(durable.get(incarnation) ?? 0, appliedSeq),
    })),
    hashes: await hashesAt(tx, box.branchId, request.hashesAt),
  };
  const answer: HelloAnswer = {
    hubEpoch: await hubEpoch(tx),
    now: nowMs,
    protocol: request.protocol,
    spoken: [SPOKEN.from, SPOKEN.to],
    scopes,
    ...held,
    cursors: await verdicts(tx, scopes, request.cursors),
    directives: (await isProofAsked(tx, box)) ? [{ kind: 'verify' }] : [],
    quarantined: await quarantinedUnheard(tx, box, named, streams),
    histories: await historiesLackedBy(tx, box.branchId, carried?.shared(named, held) ?? named),
    certifyingKey: rawPublicKey(secrets.certifyingPublicKey),
    epoch: await highestEpoch(tx, box.branchId, box.boxId),
  };
  const claimed = claimedLoss(request, answer);
  const lost = provedLoss(readMemory(secrets, box, request.memory), request, answer);
  if (lost !== null) {
    const detail = `this hub lost ${lost}, which it had told box ${box.boxId} of: was it restored from a backup?`;
    await raiseIncident(
      tx,
      { branchId: null, code: 'hub-behind-edge', key: answer.hubEpoch, detail },
      { nowMs, newId },
    );
  } else if (claimed !== null) {
    const detail = `box ${box.boxId} says that this hub lost ${claimed}, and shows no word of the hub for it: the box takes it again. Were this hub restored from a backup, every store would have to: hub renew-epoch.`;
    const incident = { branchId: box.branchId, code: 'box-ahead-unproved', key: box.boxId, detail };
    await raiseIncident(tx, incident, { nowMs, newId });
  }
  return { answer: { ...answer, memory: writeMemory(secrets, box, memoryOf(request, answer)) }, lost };
}

/** What the hub is to know again of this answer. */
function memoryOf({ incarnations }: HelloRequest, { hubEpoch, cursors, streams }: HelloAnswer): HubMemory {
  const own = cursors.filter(({ verdict }) => verdict !== 'not-yours');
  const named = new Set(incarnations.slice(-REMEMBERED_HISTORIES_MAX).map(({ incarnation }) => incarnation));
  const kept = streams.filter(({ incarnation }) => named.has(incarnation));
  return {
    hubEpoch,
    newest: Object.fromEntries(own.map(({ scope, newest }) => [scope, newest])),
    applied: Object.fromEntries(kept.map(({ incarnation, appliedSeq }) => [incarnation, appliedSeq])),
  };
}

/** What this very epoch had numbered or acknowledged, by its own word, and has no more; null: nothing. */
function provedLoss(memory: HubMemory | null, { incarnations }: HelloRequest, answer: HelloAnswer): string | null {
  if (memory === null || memory.hubEpoch !== answer.hubEpoch) return null;
  for (const { scope, verdict, newest } of answer.cursors) {
    const told = memory.newest[scope] ?? 0;
    if (verdict !== 'not-yours' && told > newest) return `records ${newest + 1} to ${told} of ${scope}`;
  }
  const held = new Map(answer.streams.map(({ incarnation, appliedSeq }) => [incarnation, appliedSeq]));
  for (const { incarnation } of incarnations) {
    const [told, here] = [memory.applied[incarnation] ?? 0, held.get(incarnation) ?? 0];
    if (told > here) return `lines ${here + 1} to ${told} of ${incarnation}`;
  }
  return null;
}

/** The same as the box alone says it. */
function claimedLoss({ hubEpoch: told, incarnations, cursors }: HelloRequest, answer: HelloAnswer): string | null {
  if (told === answer.hubEpoch) {
    const held = new Map(answer.streams.map(({ incarnation, appliedSeq }) => [incarnation, appliedSeq]));
    for (const { incarnation, appliedSeq = 0 } of incarnations) {
      const here = held.get(incarnation) ?? 0;
      if (appliedSeq > here) return `lines ${here + 1} to ${appliedSeq} of ${incarnation}`;
    }
  }
  for (const [at, { verdict, scope }] of answer.cursors.entries()) {
    const cursor = cursors[at];
    if (verdict === 'ahead' && cursor?.hubEpoch === answer.hubEpoch) return `record ${cursor.number} of ${scope}`;
  }
  return null;
}

const ZERO_HASH = '0'.repeat(64);

async function hashesAt(tx: Tx, branchId: string, asked: HelloRequest['hashesAt']): Promise<HelloAnswer['hashes']> {
  const hashes = await archivedHashes(tx, branchId, asked);
  return asked.map(({ incarnation, seq }, at) => ({
    incarnation,
    seq,
    hash: seq === 0 ? ZERO_HASH : (hashes[at] ?? null),
  }));
}

async function verdicts(
  tx: Tx,
  scopes: readonly string[],
  cursors: HelloRequest['cursors'],
): Promise<HelloAnswer['cursors']> {
  const answers: HelloAnswer['cursors'] = [];
  for (const { scope, number, hash } of cursors) {
    if (!scopes.includes(scope)) answers.push({ scope, verdict: 'not-yours', newest: 0 });
    else answers.push({ scope, ...(await cursorVerdict(tx, scope, { number, hash })) });
  }
  return answers;
}
