import type { HelloAnswer, HelloRequest } from '@branchline/replication/box-protocol.js';
import { PROTOCOL } from '@branchline/replication/push.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { problem } from '@branchline/http/problem.js';
import { hubEpoch } from '../database/hub-epoch.js';
import type { Tx } from '../database/unit-of-work.js';
import { cursorVerdict, feedHead } from '../feed/read-feed.js';
import { scopesOfBranch, type BranchPlace } from '../feed/scopes.js';
import { archivedHashes } from './archive.js';
import { findStreams } from './streams.js';

/**
 * What hub and edge hold of each other, so that the edge can decide what to do. Only reads (but for the note of the
 * contact), takes no lock that a push holds, and sees nothing but the box's own branch.
 *
 * @throws Problem `protocol`
 */
export async function hello(
  tx: Tx,
  box: PrincipalOf<'box'>,
  request: HelloRequest,
  nowMs: number,
): Promise<HelloAnswer> {
  if (request.protocol !== PROTOCOL)
    throw problem('protocol', `This hub speaks protocol ${PROTOCOL}, the box ${request.protocol}.`);
  await noteContact(tx, box.boxId, request, nowMs);
  const branch = await tx.one<BranchPlace>(
    'SELECT id, region, price_zone AS "priceZone", assortment FROM branch WHERE id = $1',
    [box.branchId],
  );
  const scopes = scopesOfBranch(branch);
  const streams = await findStreams(
    tx,
    box.branchId,
    request.incarnations.map(({ incarnation }) => incarnation),
  );
  return {
    hubEpoch: await hubEpoch(tx),
    now: nowMs,
    protocol: PROTOCOL,
    scopes,
    streams: streams.map(({ incarnation, appliedSeq, headHash }) => ({
      incarnation,
      appliedSeq,
      headHash,
      durableSeq: 0,
    })),
    hashes: await hashesAt(tx, box.branchId, request.hashesAt),
    cursors: await verdicts(tx, scopes, request.cursors),
  };
}

/** Not in the way of a push, and a push not in its way: the box's row is locked by nobody for longer than this. */
async function noteContact(tx: Tx, boxId: string, request: HelloRequest, nowMs: number): Promise<void> {
  const version = request.version.toWellFormed().replaceAll('\0', '');
  const newest = request.incarnations.at(-1);
  const told = newest ? { incarnation: newest.incarnation, seq: newest.seq } : {};
  await tx.execute(
    'UPDATE box SET last_contact_at = to_timestamp($2::bigint / 1000.0), version = $3, contract = $4, told = $5 WHERE id = $1',
    [boxId, nowMs, version, Math.min(request.contract, 2_147_483_647), JSON.stringify(told)],
  );
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
    else
      answers.push({
        scope,
        verdict: await cursorVerdict(tx, scope, { number, hash }),
        newest: (await feedHead(tx, scope)).number,
      });
  }
  return answers;
}
