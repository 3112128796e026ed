import type { ReceivedLine } from '@branchline/replication/push.js';
import type { Tx } from '../database/unit-of-work.js';
import type { LineReading } from './read-line.js';

/**
 * All lines' bytes go over as one value and are cut apart there: as an array of bytea each would be written in hex and
 * read again, which doubles the dearest part of a push.
 */
const ARCHIVE = `INSERT INTO journal_line (tenant_id, branch_id, incarnation, seq, kind, key, hash, bytes, at, received_at)
  SELECT $1, $2, $3, $4::bigint + place - 1, kind, key,
    substring($8::bytea FROM ((place - 1) * 32 + 1)::int FOR 32), substring($9::bytea FROM start FOR length),
    to_timestamp(at / 1000.0), to_timestamp($10::bigint / 1000.0)
  FROM ROWS FROM (jsonb_to_recordset($5::jsonb) AS (kind text, key text, at bigint), unnest($6::int[]), unnest($7::int[]))
    WITH ORDINALITY AS line (kind, key, at, start, length, place)`;

export type ArchivePlace = {
  tenantId: string;
  branchId: string;
  incarnation: string;
  firstSeq: number;
  nowMs: number;
};

/** Keeps the lines as they came, with their chain hashes. */
export async function archiveLines(
  tx: Tx,
  place: ArchivePlace,
  lines: readonly ReceivedLine[],
  readings: readonly LineReading[],
): Promise<void> {
  const starts: number[] = [];
  let start = 1;
  for (const { bytes } of lines) {
    starts.push(start);
    start += bytes.length;
  }
  await tx.query(ARCHIVE, [
    place.tenantId,
    place.branchId,
    place.incarnation,
    place.firstSeq,
    JSON.stringify(readings.map(({ label: { kind, key, atMs: at } }) => ({ kind, key, at }))),
    starts,
    lines.map(({ bytes }) => bytes.length),
    Buffer.concat(lines.map(({ hash }) => hash)),
    Buffer.concat(lines.map(({ bytes }) => bytes)),
    place.nowMs,
  ]);
}
