import { problem } from '@branchline/http/problem.js';
import { encodePush, PUSH_LINES_MAX } from '@branchline/replication/push.js';
import type { Tx } from '../database/unit-of-work.js';
import { CHUNK_COLUMNS } from './archive.js';
import { unpackChunk, type ChunkLine, type JournalChunk } from './journal-chunk.js';
import { findHash, findStream } from './streams.js';

/** A page ends with the push in which it comes to so much, or with the first one, however large that was. */
const PAGE_LINES = 1_000;
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * Lines of one history of the branch from `fromSeq` on, in the form of a push: chained from `previousHash` to a head that
 * their own box has signed. Every page ends where a push did, so that whoever reads it need not believe the hub.
 *
 * @param protocol in which it is asked for @returns the bytes of a push @throws Problem `not-found`: no such history of this branch, or no such line in it
 */
export async function readLines(
  tx: Tx,
  branchId: string,
  { incarnation, fromSeq, protocol }: { incarnation: string; fromSeq: number; protocol: number },
): Promise<Buffer> {
  const stream = await findStream(tx, branchId, incarnation);
  const [end] = stream === null ? [] : await tx.query<PageEnd>(PAGE_END, [branchId, incarnation, fromSeq]);
  if (stream === null || end === undefined)
    throw problem('not-found', `No line ${fromSeq} of ${incarnation} is held for this branch.`);
  const chunks = await tx.query<JournalChunk>(CHUNKS, [branchId, incarnation, fromSeq, end.lastSeq]);
  const lines: ChunkLine[] = [];
  for (const chunk of chunks) for (const line of await unpackChunk(chunk)) if (line.seq >= fromSeq) lines.push(line);
  const last = lines.at(-1);
  const previousHash = await findHash(tx, stream, fromSeq - 1);
  if (last === undefined || previousHash === null) throw new Error(`line ${fromSeq} of ${incarnation} is not archived`);
  const header = {
    protocol,
    incarnation,
    fromSeq,
    count: lines.length,
    previousHash,
    headHash: last.hash.toString('hex'),
    signature: end.signature,
  };
  return encodePush(
    header,
    lines.map(({ bytes }) => bytes),
  );
}

type PageEnd = { lastSeq: number; signature: string };

/** The last signed head within the bounds; without one the first beyond them. No push has more lines than are looked at. */
const PAGE_END = `
SELECT last_seq AS "lastSeq", head_signature AS signature FROM (
  SELECT last_seq, head_signature, last_seq < $3 + ${PAGE_LINES} AND sum(body_bytes) OVER (ORDER BY last_seq) <= ${PAGE_BYTES} AS fits
  FROM (
    SELECT last_seq, head_signature, body_bytes FROM journal_chunk
    WHERE branch_id = $1 AND incarnation = $2 AND last_seq >= $3 ORDER BY last_seq LIMIT ${PUSH_LINES_MAX}
  ) ahead
) sized
WHERE head_signature IS NOT NULL ORDER BY fits DESC, CASE WHEN fits THEN -last_seq ELSE last_seq END LIMIT 1`;

const CHUNKS = `
SELECT ${CHUNK_COLUMNS} FROM journal_chunk WHERE branch_id = $1 AND incarnation = $2 AND last_seq BETWEEN $3 AND $4 ORDER BY last_seq`;
