import { byteas, int8s, texts } from '../database/columns.js';
import type { PreparedStatement, Tx } from '../database/unit-of-work.js';
import { DamagedChunk, HASH_BYTES, unpackChunk, type ChunkLine, type JournalChunk } from './journal-chunk.js';

const ARCHIVE: PreparedStatement = {
  name: 'archive-chunks',
  text: `INSERT INTO journal_chunk (tenant_id, branch_id, incarnation, received_at, first_seq, last_seq, hashes, body_bytes, body, head_signature)
  SELECT $1, $2, $3, to_timestamp($4::bigint / 1000.0), unnest($5::int8[]), unnest($6::int8[]), unnest($7::bytea[]), unnest($8::int8[])::integer,
    unnest($9::bytea[]), nullif(unnest($10::text[]), '')`,
};

/** `headSignature`: the box's, over the head to which all of the chunks lead. */
export type ArchivePlace = {
  tenantId: string;
  branchId: string;
  incarnation: string;
  nowMs: number;
  headSignature: string;
};

/** Keeps lines as they came, with their chain hashes. */
export async function archiveChunks(tx: Tx, place: ArchivePlace, chunks: readonly JournalChunk[]): Promise<void> {
  await tx.prepared(ARCHIVE, [
    place.tenantId,
    place.branchId,
    place.incarnation,
    place.nowMs,
    int8s(chunks.map(({ firstSeq }) => firstSeq)),
    int8s(chunks.map(({ lastSeq }) => lastSeq)),
    byteas(chunks.map(({ hashes }) => hashes)),
    int8s(chunks.map(({ bodyBytes }) => bodyBytes)),
    byteas(chunks.map(({ body }) => body)),
    texts(chunks.map((_, at) => (at === chunks.length - 1 ? place.headSignature : ''))),
  ]);
}

/** The archive's hashes at these places of a branch's histories, in hex, in the order of asking; null: there is no such line. */
export async function archivedHashes(
  tx: Tx,
  branchId: string,
  asked: readonly { incarnation: string; seq: number }[],
): Promise<(string | null)[]> {
  if (asked.length === 0) return [];
  const incarnations = asked.map(({ incarnation }) => incarnation);
  const rows = await tx.query<{ hash: string | null }>(HASHES, [branchId, incarnations, asked.map(({ seq }) => seq)]);
  return rows.map(({ hash }) => hash);
}

/** Chunks lie end to end: the first that reaches a line holds it, or none does. */
const chunkThatReaches = (columns: string): string => `
SELECT ${columns} FROM journal_chunk c
WHERE c.branch_id = $1 AND c.incarnation = asked.incarnation AND c.last_seq >= asked.seq ORDER BY c.last_seq LIMIT 1`;

const HASHES = `
SELECT CASE WHEN chunk.first_seq <= asked.seq
  THEN encode(substring(chunk.hashes FROM ((asked.seq - chunk.first_seq) * ${HASH_BYTES} + 1)::integer FOR ${HASH_BYTES}), 'hex') END AS hash
FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS asked (incarnation, seq, place)
LEFT JOIN LATERAL (${chunkThatReaches('c.first_seq, c.hashes')}) chunk ON true
ORDER BY asked.place`;

/** Lines of one history, by their seqs. @throws DamagedChunk, also for a line that is not there */
export async function archivedLines(
  tx: Tx,
  { branchId, incarnation }: { branchId: string; incarnation: string },
  seqs: readonly number[],
): Promise<ChunkLine[]> {
  const lines = new Map<number, ChunkLine>();
  for (const chunk of await tx.query<JournalChunk>(CHUNKS, [branchId, incarnation, seqs])) {
    for (const line of await unpackChunk(chunk)) lines.set(line.seq, line);
  }
  return seqs.map((seq) => {
    const line = lines.get(seq);
    if (!line) throw new DamagedChunk(`line ${seq} of ${incarnation} is not in the archive`);
    return line;
  });
}

export const CHUNK_COLUMNS = 'first_seq AS "firstSeq", last_seq AS "lastSeq", hashes, body_bytes AS "bodyBytes", body';

const CHUNKS = `
SELECT ${CHUNK_COLUMNS} FROM journal_chunk WHERE branch_id = $1 AND incarnation = $2 AND last_seq IN (
  SELECT chunk.last_seq FROM (SELECT $2::uuid AS incarnation, unnest($3::bigint[]) AS seq) asked, LATERAL (${chunkThatReaches('c.last_seq')}) chunk)`;
