import { movementsOfSale } from '@branchline/domain/stock.js';
import { sumMinor } from '@branchline/domain/money.js';
import { tenderEntriesOfSale } from '@branchline/domain/z-report.js';
import { appendMovements } from '../stock/append-movements.js';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import { saleSchema, signOfSale, type SaleBody } from '@branchline/replication/kinds/sale.js';
import type { Applier } from '../store/command.js';
import { lineAt } from '../store/journal.js';
import type { ReadTx, Tx } from '../store/tx.js';

/* The shift by its id, in the same statement: a sale may name one that this file never saw. */
const INSERT_SALE = `
  INSERT INTO sale (id, position, incarnation_no, seq, receipt_number, device_reference, till, device, operator, shift_no,
    business_date, sold_at, lines, units_milli, amount_minor, discount_minor, net_minor, tax_minor, total_minor,
    content_hash, flags, reverses)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT no FROM shift WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/* What a till offers again, or another history tells, may come before its shift has. */
const AWAIT_SHIFT = 'INSERT OR IGNORE INTO orphan_sale SELECT ?, no FROM sale WHERE no = ? AND shift_no IS NULL';

const INSERT_TENDER_ENTRY = `
  INSERT INTO tender_entry (shift_no, tender_type, currency, amount_minor, reason, sale_no)
  VALUES ((SELECT shift_no FROM sale WHERE no = ?), ?, ?, ?, ?, ?)`;

/* max: a line fetched again or out of turn never takes a number back. */
const MOVE_COUNTER = `
  INSERT INTO receipt_counter (till, epoch, series, last) VALUES (?, ?, ?, ?)
  ON CONFLICT (till, epoch, series) DO UPDATE SET last = max(last, excluded.last)`;

const ADD_TO_TILL = `
  INSERT INTO till_total (till, last_z, grand_total_minor) VALUES (?, 0, ?)
  ON CONFLICT (till) DO UPDATE SET grand_total_minor = grand_total_minor + excluded.grand_total_minor`;

/** A sale with its tender entries, its stock movements, the till's counter and its grand total. */
export const applySale: Applier<'sale'> = (tx, line, place) => {
  const body = asItStandsHere(tx, line.body);
  const series = seriesOf(body);
  const { lastInsertRowid } = tx.run(
    INSERT_SALE,
    body.id,
    place.position,
    place.incarnationNo,
    place.seq,
    body.receiptNumber,
    body.deviceReference ?? null,
    body.till,
    line.device,
    body.operator,
    body.shift,
    body.businessDate,
    body.soldAt,
    signOfSale(body) * body.lines.length,
    sumMinor(body.lines.map(({ quantityMilli }) => quantityMilli)),
    body.amountMinor,
    body.discountMinor,
    body.netMinor,
    body.taxMinor,
    body.totalMinor,
    Buffer.from(line.contentHash, 'hex'),
    body.flags.length === 0 ? null : body.flags.join(' '),
    body.reverses?.sale ?? null,
  );
  const saleNo = Number(lastInsertRowid);
  if (body.shift !== null) tx.run(AWAIT_SHIFT, body.shift, saleNo);
  for (const { tenderType, currency, amountMinor } of tenderEntriesOfSale(
    body.currency,
    body.tenders,
    body.changeMinor,
  )) {
    tx.run(INSERT_TENDER_ENTRY, saleNo, tenderType, currency, amountMinor, series, saleNo);
  }
  appendMovements(tx, saleNo, movementsOfSale(body.lines, series), body.lines);
  moveReceiptCounter(tx, body);
  tx.run(ADD_TO_TILL, body.till, body.totalMinor);
};

export function moveReceiptCounter(tx: Tx, body: SaleBody): void {
  const { till, epoch, receiptNo } = body;
  if (receiptNo !== undefined) tx.run(MOVE_COUNTER, till, epoch, seriesOf(body), receiptNo);
}

/** The series of its number, and the reason of what it moves. */
function seriesOf({ reverses }: SaleBody): 'sale' | 'void' {
  return reverses === undefined ? 'sale' : 'void';
}

/**
 * A reversal takes back what stands. Head office may hold the sale with other content than this store: there that one is
 * taken back, here this one, and both ends come to the same.
 */
function asItStandsHere(tx: ReadTx, body: SaleBody): SaleBody {
  if (body.reverses === undefined) return body;
  const { sale, contentHash } = body.reverses;
  const row = tx.get<{ position: number; contentHash: Buffer }>(
    'SELECT position, content_hash AS contentHash FROM sale WHERE id = ?',
    sale,
  );
  if (row === undefined || row.contentHash.toString('hex') === contentHash) return body;
  return { ...body, ...reversedAmounts(saleSchema.parse(lineAt(tx, row.position).body)) };
}
