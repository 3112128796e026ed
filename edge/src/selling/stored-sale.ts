import { problem } from '@branchline/http/problem.js';
import { saleSchema } from '@branchline/replication/kinds/sale.js';
import { upcastLine } from '@branchline/replication/contracts.js';
import { decodeLine } from '@branchline/replication/line.js';
import { unpackLine } from '../store/line-storage.js';
import type { ReadTx } from '../store/tx.js';
import type { JournaledSale } from './sale-answer.js';

/** Where a sale stands in the journal now, and the line that it was made by. */
export type StoredSale = JournaledSale & {
  contentHash: string;
  incarnationNo: number;
  seq: number;
  /** Of the line. */
  bytes: number;
};

type Row = {
  contentHash: Buffer;
  position: number;
  line: Buffer;
  incarnationNo: number;
  seq: number;
  incarnation: string;
  epoch: number;
  hash: Buffer;
};

/* `position` is the line that was applied; (incarnation_no, seq) the place it was journalled again at after a fork. */
const STORED_SALE_COLUMNS = `
  s.content_hash AS contentHash, j.position AS position, j.line AS line, s.incarnation_no AS incarnationNo, s.seq AS seq,
  i.id AS incarnation, i.epoch AS epoch,
  (SELECT hash FROM journal WHERE incarnation_no = s.incarnation_no AND seq = s.seq) AS hash`;

const BY_ID = `
  SELECT ${STORED_SALE_COLUMNS}
  FROM sale s JOIN journal j ON j.position = s.position JOIN incarnation i ON i.no = s.incarnation_no
  WHERE s.id = ?`;

const BY_NO = `
  SELECT ${STORED_SALE_COLUMNS}
  FROM sale s JOIN journal j ON j.position = s.position JOIN incarnation i ON i.no = s.incarnation_no
  WHERE s.no = ?`;

export function storedSale(tx: ReadTx, id: string): StoredSale | undefined {
  const row = tx.get<Row>(BY_ID, id);
  return row && fromRow(row);
}

/** @throws Error when there is no such row: the number was just read from it */
export function storedSaleByNo(tx: ReadTx, no: number): StoredSale {
  const row = tx.get<Row>(BY_NO, no);
  if (row === undefined) throw new Error(`no sale ${no}`);
  return fromRow(row);
}

/**
 * The sale that an id already stands for.
 *
 * @returns undefined when the id is new @throws Problem same-id-other-content
 */
export function replayedSale(tx: ReadTx, id: string, contentHash: string): StoredSale | undefined {
  const stored = storedSale(tx, id);
  if (stored !== undefined && stored.contentHash !== contentHash) {
    throw problem('same-id-other-content', `sale ${id} was made before with other content`);
  }
  return stored;
}

function fromRow(row: Row): StoredSale {
  const bytes = unpackLine(row.line, row.position);
  const line = upcastLine(decodeLine(bytes));
  return {
    body: saleSchema.parse(line.body),
    recordedAtMs: line.at,
    contentHash: row.contentHash.toString('hex'),
    incarnationNo: row.incarnationNo,
    seq: row.seq,
    bytes: bytes.length,
    journal: {
      incarnation: row.incarnation,
      epoch: row.epoch,
      seq: row.seq,
      hash: row.hash.toString('hex'),
    },
  };
}
