import type { Tx } from '../database/unit-of-work.js';
import { archivedHashes } from '../sync/archive.js';
import type { Verification } from './answer.js';
import type { Differences } from './differences.js';
import type { StreamOfBranch } from './streams-of-branch.js';

/**
 * How the histories of a branch hang together. Each but the first names the line of another from which it went on: what was
 * removed as a whole, rows, chunks and all, leaves no other trace. One that went on before the other's end is a fork: both
 * stand, and people should know of it. So is one that went on from lines of its box's own, which the box has journalled
 * again in another history since: that one says where the box left the history, before those lines.
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
  for (const [at, { incarnation, previousHash, box }] of begun.entries()) {
    const from = places[at] as (typeof places)[number];
    const before = byId.get(from.incarnation);
    const place = `${incarnation} goes on from line ${from.seq} of ${from.incarnation}`;
    if (!before) {
      differences.add('missing-history', `${place}, of which nothing is here`);
      continue;
    }
    const isHere = from.seq === 0 || (from.seq <= before.appliedSeq && hashes[at] === previousHash);
    const leftAt = isHere ? null : lastLeft(begun, hashes, { box, from });
    if (!isHere && leftAt === null) {
      const here =
        from.seq > before.appliedSeq
          ? `, which ends with ${before.appliedSeq} here`
          : ` with ${previousHash}, here it has ${hashes[at] ?? 'none'}`;
      differences.add('missing-history', `${place}${here}`);
    }
    const beside = Math.max(0, before.appliedSeq - (leftAt ?? from.seq));
    if (beside > 0) forks.push({ incarnation, from, beside });
  }
  return forks;
}

/**
 * Where the box itself said last, by a history whose reason is `fork`, that its lines and ours part before this one. What it
 * had behind that stands again in that history. @returns null: it never said so
 */
function lastLeft(
  begun: readonly StreamOfBranch[],
  hashes: readonly (string | null)[],
  { box, from }: { box: string; from: { incarnation: string; seq: number } },
): number | null {
  const left = begun.flatMap((stream, at) => {
    const { previousIncarnation, previousSeq, previousHash, reason } = stream;
    if (stream.box !== box || reason !== 'fork' || previousIncarnation !== from.incarnation) return [];
    return previousSeq !== null && previousSeq < from.seq && hashes[at] === previousHash ? [previousSeq] : [];
  });
  return left.length === 0 ? null : Math.max(...left);
}
