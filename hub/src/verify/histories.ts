import type { Tx } from '../database/unit-of-work.js';
import { archivedHashes } from '../sync/archive.js';
import type { Verification } from './answer.js';
import type { Differences } from './differences.js';
import type { StreamOfBranch } from './streams-of-branch.js';

/**
 * How the histories of a branch hang together. Each but the first names the line of another from which it went on: what was
 * removed as a whole, rows, chunks and all, leaves no other trace. One that went on before the other's end is a fork: both
 * stand, and people should know of it.
 */
export async function linkHistories(
  tx: Tx,
  branchId: string,
  streams: readonly StreamOfBranch[],
  differences: Differences,
): Promise<Verification['forks']> {
  const byId = new Map(streams.map((stream) => [stream.incarnation, stream]));
  const forks: Verification['forks'] = [];
  const begun = streams.filter(({ previousIncarnation }) => previousIncarnation !== null);
  const places = begun.map(({ previousIncarnation, previousSeq }) => ({
    incarnation: `${previousIncarnation}`,
    seq: previousSeq ?? 0,
  }));
  const hashes = await archivedHashes(tx, branchId, places);
  for (const [at, { incarnation, previousHash }] of begun.entries()) {
    const from = places[at] as (typeof places)[number];
    const before = byId.get(from.incarnation);
    const place = `${incarnation} goes on from line ${from.seq} of ${from.incarnation}`;
    if (!before) {
      differences.add('missing-history', `${place}, of which nothing is here`);
      continue;
    }
    if (from.seq > before.appliedSeq) {
      differences.add('missing-history', `${place}, which ends with ${before.appliedSeq} here`);
      continue;
    }
    if (from.seq > 0 && hashes[at] !== previousHash)
      differences.add('missing-history', `${place} with ${previousHash}, here it has ${hashes[at] ?? 'none'}`);
    const beside = before.appliedSeq - from.seq;
    if (beside > 0) forks.push({ incarnation, from, beside });
  }
  return forks;
}
