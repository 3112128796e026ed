import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { VALUES_MAX } from '@branchline/replication/packed/tracks.js';
import { MalformedPush, type ReceivedLine, type ReceivedPush } from '@branchline/replication/push.js';
import type { GiveWay } from '../database/give-way.js';
import { packLines, type JournalChunk } from './journal-chunk.js';
import { WrongSeq, readLine, type LineReading } from './read-line.js';
import { Turn } from './turn.js';

/** No edge of ours sends more at once. Up to here any values fit in memory. */
const UNCOUNTED_BYTES_MAX = 8 * 1024 * 1024;
const [COMMA, ARRAY_BEGIN, OBJECT_BEGIN] = [0x2c, 0x5b, 0x7b];

/** What a push says, line by line, and as the archive will keep it. */
export type ReadPush = { readings: LineReading[]; packed: JournalChunk[] };

/**
 * Reads all lines of a push, and packs them, before any lock is taken.
 * @throws MalformedPush when a line says it stands elsewhere, or all together say more than is kept in memory
 */
export async function readPush(push: ReceivedPush, giveWay: GiveWay): Promise<ReadPush> {
  // Packed by another thread, meanwhile.
  const [packed, readings] = await Promise.all([
    packLines(push.lines, push.header.fromSeq, giveWay),
    readLines(push, giveWay),
  ]);
  return { readings, packed };
}

async function readLines({ header, lines }: ReceivedPush, giveWay: GiveWay): Promise<LineReading[]> {
  const readings: LineReading[] = [];
  const turn = new Turn();
  const isLarge = lines.reduce((sum, { bytes }) => sum + bytes.length, 0) > UNCOUNTED_BYTES_MAX;
  let values = 0;
  try {
    for (const [at, line] of lines.entries()) {
      if (isLarge) values += valuesIn(line);
      if (values > VALUES_MAX) throw new MalformedPush(`more than ${VALUES_MAX} values`);
      readings.push(readLine(line.bytes, header.fromSeq + at, line.value));
      if (turn.isOver(line.bytes.length)) await giveWay();
    }
  } catch (error) {
    if (error instanceof WrongSeq) throw new MalformedPush(error.message);
    throw error;
  }
  return readings;
}

/** At most so many: also what looks like one in a text is counted. A longer line is not read, and one unpacked was counted. */
function valuesIn({ bytes, value }: ReceivedLine): number {
  if (value !== undefined || bytes.length > LINE_BYTES_MAX) return 0;
  let values = 0;
  for (const byte of bytes) if (byte === COMMA || byte === ARRAY_BEGIN || byte === OBJECT_BEGIN) values += 1;
  return values;
}
