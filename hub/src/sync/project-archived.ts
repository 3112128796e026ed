import type { NewId } from '@branchline/domain/uuid.js';
import type { Tx } from '../database/unit-of-work.js';
import { archivedLines } from './archive.js';
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
  const lines = await archivedLines(tx, facts, seqs);
  const readings = lines.map(({ seq, bytes }) => readLine(bytes, seq));
  const unread = readings.flatMap((reading) => ('setAside' in reading ? [reading.setAside] : []));
  const ready = readings.flatMap((reading) => ('ready' in reading ? [reading.ready] : []));
  const projected = await projectBisecting(tx, facts, ready);
  const mismatched = await recordMismatches(tx, facts, projected.mismatches, newId);
  const setAside = [...unread, ...projected.setAside, ...mismatched];
  return { setAside: new Map(setAside.map((line) => [line.seq, line])), mismatches: projected.mismatches };
}
