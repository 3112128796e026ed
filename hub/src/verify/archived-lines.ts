import type { Tx } from '../database/unit-of-work.js';

/** A line as it was archived, with what the hub notes beside its bytes. */
export type ArchivedLine = {
  seq: number;
  kind: string;
  key: string;
  hash: Buffer;
  bytes: Buffer;
  /** In quarantine, and not mended since. */
  waits: boolean;
};

const LINES_MAX = 500;
/** A line that a box signed may have any size; one at least is read, whatever its own. */
const BYTES_MAX = 8 * 1024 * 1024;

/** Pages of one history in the order of their seq. Each is its own statement: the caller's snapshot holds them together. */
export async function* archivedLines(tx: Tx, branchId: string, incarnation: string): AsyncGenerator<ArchivedLine[]> {
  let afterSeq = 0;
  for (;;) {
    const page = await tx.query<ArchivedLine>(PAGE, [branchId, incarnation, afterSeq, LINES_MAX, BYTES_MAX]);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    afterSeq = last.seq;
  }
}

/** Lengths of bytes are told without reading them, so that what is too much for a page is not read for it. */
const PAGE = `
SELECT sized.seq, sized.kind, sized.key, sized.hash, sized.bytes, q.seq IS NOT NULL AS waits
FROM (
  SELECT page.*, sum(octet_length(page.bytes)) OVER (ORDER BY page.seq) - octet_length(page.bytes) AS before
  FROM (
    SELECT seq, kind, key, hash, bytes FROM journal_line
    WHERE branch_id = $1 AND incarnation = $2 AND seq > $3 ORDER BY seq LIMIT $4
  ) page
) sized
LEFT JOIN quarantine q ON q.branch_id = $1 AND q.incarnation = $2 AND q.seq = sized.seq AND q.state <> 'mended'
WHERE sized.before < $5 ORDER BY sized.seq`;
