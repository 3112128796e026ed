import { headIsSigned } from '@branchline/replication/head-signature.js';
import type { IncarnationOpen } from '@branchline/replication/kinds/incarnation-open.js';
import type { Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import type { ChainWalk } from './chain-walk.js';
import type { Differences } from './differences.js';
import { toldSeq } from './told-seq.js';

/** One history as its row has it, with the keys of its box; null where there is no such box. */
export type StreamOfBranch = {
  incarnation: string;
  epoch: number;
  appliedSeq: number;
  headHash: string;
  headSignature: string | null;
  reason: string;
  previousIncarnation: string | null;
  previousSeq: number | null;
  previousHash: string | null;
  box: string;
  signingKey: string | null;
  sealingKey: string | null;
  certificate: string | null;
};

/** Every history of the branch, the oldest first. */
export function streamsOfBranch(tx: Tx, branchId: string): Promise<StreamOfBranch[]> {
  return tx.query<StreamOfBranch>(STREAMS, [branchId]);
}

const STREAMS = `
SELECT i.incarnation, i.epoch, ${toldSeq('i.applied_seq')} AS "appliedSeq", encode(i.head_hash, 'hex') AS "headHash", i.head_signature AS "headSignature",
  i.reason, i.previous_incarnation AS "previousIncarnation", ${toldSeq('i.previous_seq')} AS "previousSeq", encode(i.previous_hash, 'hex') AS "previousHash",
  i.box_id AS box, box.signing_key AS "signingKey", box.sealing_key AS "sealingKey", box.certificate
FROM incarnation i LEFT JOIN box ON box.tenant_id = i.tenant_id AND box.id = i.box_id AND box.branch_id = i.branch_id
WHERE i.branch_id = $1 ORDER BY i.epoch, i.last_push_at, i.incarnation`;

/** Lines whose history has no row would be walked by nobody. */
export async function findLostLines(tx: Tx, branchId: string, differences: Differences): Promise<void> {
  const lost = await tx.query<{ incarnation: string; lines: number }>(
    `SELECT c.incarnation, sum(c.last_seq - c.first_seq + 1)::bigint AS lines FROM journal_chunk c
     WHERE c.branch_id = $1 AND NOT EXISTS (SELECT FROM incarnation i WHERE i.branch_id = c.branch_id AND i.incarnation = c.incarnation)
     GROUP BY c.incarnation LIMIT 20`,
    [branchId],
  );
  for (const { incarnation, lines } of lost)
    differences.add('stream-row', `${incarnation} has ${lines} archived lines and no stream`);
}

/** Against the first line of the history, which the box has signed with all the others. */
export function compareWithFirstLine(stream: StreamOfBranch, first: IncarnationOpen, differences: Differences): void {
  const said = [first.box, first.signingKey, first.epoch, first.reason];
  const { previous } = first;
  said.push(previous?.incarnation ?? 'none', previous?.seq ?? 'none', previous?.hash ?? 'none');
  const kept = [stream.box, stream.signingKey, stream.epoch, stream.reason];
  kept.push(stream.previousIncarnation ?? 'none', stream.previousSeq ?? 'none', stream.previousHash ?? 'none');
  const names = ['box', 'signing key', 'epoch', 'reason', 'previous history', 'previous seq', 'previous hash'];
  names.forEach((name, at) => {
    if (said[at] === kept[at]) return;
    differences.add('stream-row', `${stream.incarnation}: ${name} is ${kept[at]}, its first line says ${said[at]}`);
  });
}

/**
 * Whether the box has signed what the archived lines lead to, by the key that the hub certified at its enrolment: the
 * certifying key lies outside the database, so that who can write rows cannot put his own key in a box's place.
 */
export function proveHead(
  secrets: HubSecrets,
  place: { tenant: string; branch: string },
  stream: StreamOfBranch,
  walk: ChainWalk,
  differences: Differences,
): boolean {
  const { incarnation, box, signingKey, sealingKey, certificate, headSignature } = stream;
  if (stream.appliedSeq !== walk.seq || stream.headHash !== walk.keptHash) {
    const archived = `the archive ends with line ${walk.seq}, ${walk.keptHash}`;
    differences.add('stream-head', `${incarnation} says line ${stream.appliedSeq}, ${stream.headHash}; ${archived}`);
  }
  // Ed25519 gives one signature for one message: the certificate made anew is the certificate.
  const isCertified = secrets.certify({ ...place, box, signingKey, sealingKey }) === certificate;
  if (!isCertified) differences.add('box-key', `${incarnation}: the hub certified other keys of box ${box}`);
  const head = { ...place, incarnation, seq: walk.seq, hash: walk.computedHash };
  const isSigned =
    isCertified && signingKey !== null && headSignature !== null && headIsSigned(head, headSignature, signingKey);
  if (!isSigned)
    differences.add('head-signature', `${incarnation}: no signature of its box over line ${walk.seq}, ${head.hash}`);
  return isSigned;
}
