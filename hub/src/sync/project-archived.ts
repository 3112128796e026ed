import type { NewId } from '@branchline/domain/uuid.js';
import { chainHash, GENESIS_HASH } from '@branchline/replication/chain.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedHashes, archivedLines } from './archive.js';
import { DamagedChunk, type ChunkLine } from './journal-chunk.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch } from './facts.js';
import { projectInOrder } from './project-in-order.js';
import { readLine, type SetAside } from './read-line.js';
import { recordOutcome } from './set-aside.js';

/** `setAside`: by seq, why a line still is; those that are not in it stand as facts now. */
export type ProjectedAgain = { setAside: Map<number, SetAside>; mismatches: Mismatch[] };

/** Projects lines of one stream once more, out of the bytes that the box signed. The caller holds the branch. */
export async function projectArchived(
  tx: Tx,
  facts: FactContext,
  seqs: readonly number[],
  newId: NewId,
): Promise<ProjectedAgain> {
  const { lines, lost } = await readable(tx, facts, seqs);
  const readings = lines.map(({ seq, bytes }) => readLine(bytes, seq));
  const unread = readings.flatMap((reading) => ('setAside' in reading ? [reading.setAside] : []));
  const ready = readings.flatMap((reading) => ('ready' in reading ? [reading.ready] : []));
  const projected = await projectInOrder(tx, facts, ready);
  const { setAside: mismatched } = await recordOutcome(tx, facts, ready, projected, newId);
  const setAside = [...lost, ...unread, ...projected.setAside, ...mismatched];
  return { setAside: new Map(setAside.map((line) => [line.seq, line])), mismatches: projected.mismatches };
}

/** What the archive does not give waits until it is mended, and holds up none of the others. */
async function readable(
  tx: Tx,
  facts: FactContext,
  seqs: readonly number[],
): Promise<{ lines: ChunkLine[]; lost: SetAside[] }> {
  try {
    return await proved(tx, facts, await archivedLines(tx, facts, seqs));
  } catch (error) {
    if (!(error instanceof DamagedChunk)) throw error;
    const [seq] = seqs;
    if (seqs.length === 1 && seq !== undefined) return { lines: [], lost: [notGiven(seq, error)] };
  }
  const [lines, lost]: [ChunkLine[], SetAside[]] = [[], []];
  for (const seq of seqs) {
    const one = await readable(tx, facts, [seq]);
    lines.push(...one.lines);
    lost.push(...one.lost);
  }
  return { lines, lost };
}

/**
 * The bytes have to lead from the hash before them to their own: what lies there altered becomes no fact. That the hashes
 * themselves lead to the head which the box signed is for a verification to say.
 */
async function proved(
  tx: Tx,
  { branchId, incarnation }: FactContext,
  lines: readonly ChunkLine[],
): Promise<{ lines: ChunkLine[]; lost: SetAside[] }> {
  const before = lines.map(({ seq }) => ({ incarnation, seq: seq - 1 }));
  const hashes = await archivedHashes(tx, branchId, before);
  const leads = ({ seq, bytes, hash }: ChunkLine, at: number): boolean => {
    const previous = seq === 1 ? GENESIS_HASH : Buffer.from(hashes[at] ?? '', 'hex');
    return chainHash(previous, bytes).equals(hash);
  };
  const whole = lines.filter(leads);
  const altered = lines.filter((line) => !whole.includes(line));
  const told = new DamagedChunk('its bytes do not lead to the hash that was kept of it');
  return { lines: whole, lost: altered.map(({ seq }) => notGiven(seq, told)) };
}

function notGiven(seq: number, { message }: DamagedChunk): SetAside {
  const detail = `the archive does not give the line: ${message}`;
  return { seq, kind: '', key: '', code: 'not-tried', detail, held: false };
}
