import type { Tx } from '../database/unit-of-work.js';
import { archivedLines } from '../sync/archive.js';
import { DamagedChunk, type ChunkLine } from '../sync/journal-chunk.js';
import { readLine, WrongSeq } from '../sync/read-line.js';
import { expectedFact, type FactKind } from './expected-facts.js';
import type { StoredFact } from './stored-facts.js';

/**
 * Of rows that say they come from another line than the one at hand, the ids of those whose line tells of them indeed, and
 * does not wait in quarantine. What says so without ground would be taken away as nobody's, though a line leads to it.
 */
export async function withTrueClaim(
  tx: Tx,
  branch: { id: string; timeZone: string },
  kind: FactKind,
  rows: readonly StoredFact[],
): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const incarnation of new Set(rows.map((row) => row.incarnation))) {
    const claiming = rows.filter((row) => row.incarnation === incarnation);
    const seqs = [...new Set(claiming.map(({ seq }) => seq))];
    const waiting = await tx.query<{ seq: number }>(WAITING, [branch.id, incarnation, seqs]);
    const lines = await readableLines(tx, { branchId: branch.id, incarnation }, seqs);
    for (const { id, seq } of claiming) {
      const line = lines.find((each) => each.seq === seq);
      const isWaiting = waiting.some((each) => each.seq === seq);
      if (line !== undefined && !isWaiting && factOf(line, kind, branch.timeZone) === id) ids.add(id);
    }
  }
  return ids;
}

function factOf({ bytes, seq }: ChunkLine, kind: FactKind, timeZone: string): string | null {
  try {
    const reading = readLine(bytes, seq);
    return 'ready' in reading && reading.ready.kind === kind
      ? (expectedFact(reading.ready, timeZone)?.id ?? null)
      : null;
  } catch (error) {
    if (error instanceof WrongSeq) return null;
    throw error;
  }
}

/** One that is not there is no reason to read none of the others. */
async function readableLines(
  tx: Tx,
  place: { branchId: string; incarnation: string },
  seqs: readonly number[],
): Promise<ChunkLine[]> {
  try {
    return await archivedLines(tx, place, seqs);
  } catch (error) {
    if (!(error instanceof DamagedChunk)) throw error;
    if (seqs.length === 1) return [];
  }
  const lines: ChunkLine[] = [];
  for (const seq of seqs) lines.push(...(await readableLines(tx, place, [seq])));
  return lines;
}

const WAITING = `SELECT seq FROM quarantine WHERE branch_id = $1 AND incarnation = $2 AND seq = ANY ($3::bigint[]) AND state <> 'mended'`;
