import { setImmediate as otherWork } from 'node:timers/promises';
import { MalformedPush, type ReceivedPush } from '@branchline/replication/push.js';
import { WrongSeq, readLine, type LineReading } from './read-line.js';

/** About 5 ms of reading: hellos and people are served in between. */
const LINES_AT_A_TIME = 256;

/** Reads all lines of a push before any lock is taken. @throws MalformedPush when a line says it stands elsewhere */
export async function readPush({ header, lines }: ReceivedPush): Promise<LineReading[]> {
  const readings: LineReading[] = [];
  try {
    for (const [at, line] of lines.entries()) {
      readings.push(readLine(line.bytes, header.fromSeq + at));
      if (at % LINES_AT_A_TIME === LINES_AT_A_TIME - 1) await otherWork();
    }
  } catch (error) {
    if (error instanceof WrongSeq) throw new MalformedPush(error.message);
    throw error;
  }
  return readings;
}
