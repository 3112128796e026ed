import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CHUNK_LINES_MAX, packLines } from '../../sync/journal-chunk.js';

/** The archive keeps lines that came together as one row (`journal-chunk.ts`), not each as its own. */
export class JournalChunks implements MigrationInterface {
  readonly name = 'journal-chunks-0000000000006';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of JOURNAL_CHUNK) await runner.query(sql);
    await packArchive(runner);
    await runner.query('DROP TABLE journal_line');
    await runner.query(`SELECT branchline_protect('journal_chunk', 'SELECT, INSERT')`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/**
 * Chunks of a history lie end to end: each begins after one that is there, no two after the same, so that a line is there
 * once and none is left out, whatever asks for it. Both columns of bytes hold what cannot be compressed any more.
 */
const JOURNAL_CHUNK = [
  `CREATE TABLE journal_chunk (
  tenant_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  incarnation uuid NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  follows_seq bigint GENERATED ALWAYS AS (nullif(first_seq - 1, 0)) STORED,
  hashes bytea NOT NULL,
  body_bytes integer NOT NULL,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL,
  CONSTRAINT pk_journal_chunk PRIMARY KEY (branch_id, incarnation, last_seq),
  CONSTRAINT journal_chunk_begins_once UNIQUE (branch_id, incarnation, first_seq),
  CONSTRAINT journal_chunk_follows_another FOREIGN KEY (branch_id, incarnation, follows_seq) REFERENCES journal_chunk (branch_id, incarnation, last_seq),
  CONSTRAINT journal_chunk_has_lines CHECK (first_seq >= 1 AND last_seq >= first_seq AND octet_length(hashes) = 32 * (last_seq - first_seq + 1))
)`,
  'ALTER TABLE journal_chunk ALTER hashes SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL',
];

type Line = { tenantId: string; branchId: string; incarnation: string; seq: number; hash: Buffer; bytes: Buffer };

const NEXT_LINES = `
SELECT tenant_id AS "tenantId", branch_id AS "branchId", incarnation, seq, hash, bytes FROM journal_line
WHERE branch_id = $1 AND incarnation = $2 AND seq > $3 ORDER BY seq LIMIT ${CHUNK_LINES_MAX}`;

const PUT = `
INSERT INTO journal_chunk (tenant_id, branch_id, incarnation, first_seq, last_seq, hashes, body_bytes, body, received_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, received_at FROM journal_line WHERE branch_id = $2 AND incarnation = $3 AND seq = $5`;

/** Byte for byte, a page of one history at a time. */
async function packArchive(runner: QueryRunner): Promise<void> {
  // Its wall stands before its owner too.
  await runner.query('ALTER TABLE journal_line NO FORCE ROW LEVEL SECURITY');
  const histories = (await runner.query('SELECT DISTINCT branch_id, incarnation FROM journal_line')) as {
    branch_id: string;
    incarnation: string;
  }[];
  for (const { branch_id, incarnation } of histories) {
    for (let seq = 0; ;) {
      const lines = (await runner.query(NEXT_LINES, [branch_id, incarnation, seq])) as Line[];
      if (lines.length === 0) break;
      seq = await packPage(runner, lines, seq);
    }
  }
}

/** @returns the seq of the last line */
async function packPage(runner: QueryRunner, lines: readonly Line[], afterSeq: number): Promise<number> {
  for (const [at, { incarnation, seq }] of lines.entries()) {
    const next = afterSeq + at + 1;
    if (seq !== next)
      throw new EnvironmentFailure(`line ${next} of ${incarnation} is not in the archive: start with another database`);
  }
  const [{ tenantId, branchId, incarnation }] = lines as [Line];
  for (const { firstSeq, lastSeq, hashes, bodyBytes, body } of await packLines(lines, afterSeq + 1))
    await runner.query(PUT, [tenantId, branchId, incarnation, firstSeq, lastSeq, hashes, bodyBytes, body]);
  return afterSeq + lines.length;
}
