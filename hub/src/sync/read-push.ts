import { setImmediate as otherWork } from 'node:timers/promises';
import { MalformedPush, type ReceivedPush } from '@branchline/replication/push.js';
import { packLines, type JournalChunk } from './journal-chunk.js';
import { WrongSeq, readLine, type LineReading } from './read-line.js';
import { Turn } from './turn.js';

/** What a push says, line by line, and as the archive will keep it. */
export type ReadPush = { readings: LineReading[]; packed: JournalChunk[] };

/**
 * Reads all lines of a push, and packs them, before any lock is taken.
 * @throws MalformedPush when a line says it stands elsewhere
 */
export async function readPush(push: ReceivedPush): Promise<ReadPush> {
  // Packed by other threads, meanwhile.
  const [packed, readings] = await Promise.all([packLines(push.lines, push.header.fromSeq), readLines(push)]);
  return { readings, packed };
}

async function readLines({ header, lines }: ReceivedPush): Promise<LineReading[]> {
  const readings: LineReading[] = [];
  const turn = new Turn();
  try {
    for (const [at, line] of lines.entries()) {
      readings.push(readLine(line.bytes, header.fromSeq + at, line.value));
      if (turn.isOver(line.bytes.length)) await otherWork();
    }
  } catch (error) {
    if (error instanceof WrongSeq) throw new MalformedPush(error.message);
    throw error;
  }
  return readings;
}
