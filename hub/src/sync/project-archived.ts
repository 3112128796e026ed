import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedLines } from './archive.js';
import { DamagedChunk, type ChunkLine } from './journal-chunk.js';
import type { FactContext } from './fact-context.js';
import type { Mismatch } from './facts.js';
import { projectBisecting } from './project-bisecting.js';
import { readLine, type SetAside } from './read-line.js';
import { recordMismatches } from './set-aside.js';

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
  const projected = await projectBisecting(tx, facts, ready);
  const mismatched = await recordMismatches(tx, facts, projected.mismatches, newId);
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
    return { lines: await archivedLines(tx, facts, seqs), lost: [] };
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

function notGiven(seq: number, { message }: DamagedChunk): SetAside {
  const detail = `the archive does not give the line: ${message}`;
  return { seq, kind: '', key: '', code: 'not-tried', detail, held: false };
}
