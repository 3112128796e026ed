import type { Tx } from '../database/unit-of-work.js';
import { archivedLines } from './archive.js';
import { DamagedChunk } from './journal-chunk.js';
import { readLine, type ReadyLine } from './read-line.js';

/** A line as its box signed it. @returns null where the archive does not give it, or it cannot be read */
export async function archivedReading(
  tx: Tx,
  branchId: string,
  { incarnation, seq }: { incarnation: string; seq: number },
): Promise<ReadyLine | null> {
  try {
    const [line] = await archivedLines(tx, { branchId, incarnation }, [seq]);
    const reading = line && readLine(line.bytes, seq);
    return reading && 'ready' in reading ? reading.ready : null;
  } catch (error) {
    if (error instanceof DamagedChunk) return null;
    throw error;
  }
}
