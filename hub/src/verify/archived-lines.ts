import type { Tx } from '../database/unit-of-work.js';
import { CHUNK_COLUMNS } from '../sync/archive.js';
import { DamagedChunk, unpackChunk, type ChunkLine, type JournalChunk } from '../sync/journal-chunk.js';
import type { Differences } from './differences.js';

/** A line as it was archived. */
export type ArchivedLine = ChunkLine & {
  /** Set aside, and not mended since: why it waits, or `settled` where people decided that it is no fact. */
  waits: string | null;
};

/** Chunks that begin beyond these wait for the next page; the first is read whatever its own size. */
const LINES_MAX = 500;
const BYTES_MAX = 8 * 1024 * 1024;

/**
 * Pages of one history in the order of their seq. Each is its own statement: the caller's snapshot holds them together.
 * Lines that cannot be read are named, and not there.
 */
export async function* archivedLines(
  tx: Tx,
  branchId: string,
  incarnation: string,
  differences: Differences,
): AsyncGenerator<ArchivedLine[]> {
  let afterSeq = 0;
  for (;;) {
    const page = await archivedPage(tx, { branchId, incarnation, afterSeq }, differences);
    if (!page) return;
    yield page.lines;
    afterSeq = page.lastSeq;
  }
}

/** The next lines after a seq, some of which may not be readable; null: there are none. */
export async function archivedPage(
  tx: Tx,
  { branchId, incarnation, afterSeq }: { branchId: string; incarnation: string; afterSeq: number },
  differences: Differences,
): Promise<{ lines: ArchivedLine[]; lastSeq: number } | null> {
  const chunks = await tx.query<JournalChunk>(PAGE, [branchId, incarnation, afterSeq, LINES_MAX, BYTES_MAX]);
  const [first, last] = [chunks[0], chunks.at(-1)];
  if (!first || !last) return null;
  const waiting = await tx.query<{ seq: number; code: string }>(WAITING, [
    branchId,
    incarnation,
    first.firstSeq,
    last.lastSeq,
  ]);
  const waits = new Map(waiting.map(({ seq, code }) => [seq, code]));
  const lines: ArchivedLine[] = [];
  for (const chunk of chunks) {
    for (const line of await readable(incarnation, chunk, differences))
      lines.push({ ...line, waits: waits.get(line.seq) ?? null });
  }
  return { lines, lastSeq: last.lastSeq };
}

async function readable(incarnation: string, chunk: JournalChunk, differences: Differences): Promise<ChunkLine[]> {
  try {
    return await unpackChunk(chunk);
  } catch (error) {
    if (!(error instanceof DamagedChunk)) throw error;
    const { firstSeq, lastSeq } = chunk;
    const told = `lines ${firstSeq} to ${lastSeq} of ${incarnation} cannot be read: ${error.message}`;
    differences.add('archived-line', told);
    return [];
  }
}

/** Sizes are told without reading the bytes, so that what is too much for a page is not read for it. */
const PAGE = `
SELECT ${CHUNK_COLUMNS} FROM (
  SELECT chunk.*,
    sum(last_seq - first_seq + 1) OVER so_far - (last_seq - first_seq + 1) AS lines_before, sum(body_bytes) OVER so_far - body_bytes AS bytes_before
  FROM (
    SELECT * FROM journal_chunk WHERE branch_id = $1 AND incarnation = $2 AND last_seq > $3 ORDER BY last_seq LIMIT $4
  ) chunk WINDOW so_far AS (ORDER BY last_seq)
) sized
WHERE lines_before < $4 AND bytes_before < $5 ORDER BY last_seq`;

const WAITING = `
SELECT seq, CASE WHEN state = 'settled' THEN state ELSE code END AS code FROM quarantine WHERE branch_id = $1 AND incarnation = $2 AND seq BETWEEN $3 AND $4 AND state <> 'mended'`;
