import { setImmediate as otherWork } from 'node:timers/promises';
import { MalformedPush, type ReceivedPush } from '@branchline/replication/push.js';
import { packLines, type JournalChunk } from './journal-chunk.js';
import { WrongSeq, readLine, type LineReading } from './read-line.js';

/** About 5 ms of reading: hellos and people are served in between. */
const LINES_AT_A_TIME = 256;

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
  try {
    for (const [at, line] of lines.entries()) {
      readings.push(readLine(line.bytes, header.fromSeq + at, line.value));
      if (at % LINES_AT_A_TIME === LINES_AT_A_TIME - 1) await otherWork();
    }
  } catch (error) {
    if (error instanceof WrongSeq) throw new MalformedPush(error.message);
    throw error;
  }
  return readings;
}
