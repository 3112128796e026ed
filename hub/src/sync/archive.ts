import type { ReceivedLine } from '@branchline/replication/push.js';
import { byteas, int8s, texts } from '../database/columns.js';
import type { PreparedStatement, Tx } from '../database/unit-of-work.js';
import type { LineReading } from './read-line.js';

const ARCHIVE: PreparedStatement = {
  name: 'archive-lines',
  text: `INSERT INTO journal_line (tenant_id, branch_id, incarnation, received_at, seq, kind, key, at, hash, bytes)
  SELECT $1, $2, $3, to_timestamp($4::bigint / 1000.0), unnest($5::int8[]), unnest($6::text[]), unnest($7::text[]),
    to_timestamp(unnest($8::int8[]) / 1000.0), unnest($9::bytea[]), unnest($10::bytea[])`,
};

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
  const labels = readings.map(({ label }) => label);
  await tx.prepared(ARCHIVE, [
    place.tenantId,
    place.branchId,
    place.incarnation,
    place.nowMs,
    int8s(lines.map((_line, at) => place.firstSeq + at)),
    texts(labels.map(({ kind }) => kind)),
    texts(labels.map(({ key }) => key)),
    int8s(labels.map(({ atMs }) => atMs)),
    byteas(lines.map(({ hash }) => hash)),
    byteas(lines.map(({ bytes }) => bytes)),
  ]);
}
