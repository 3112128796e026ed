import { movementsOfSale } from '@branchline/domain/stock.js';
import { sumMinor } from '@branchline/domain/money.js';
import { tenderEntriesOfSale } from '@branchline/domain/z-report.js';
import { appendMovements } from '../stock/append-movements.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import type { Applier } from '../store/command.js';
import type { Tx } from '../store/tx.js';

/* The shift by its id, in the same statement: a sale may name one that this file never saw. */
const INSERT_SALE = `
  INSERT INTO sale (id, position, incarnation_no, seq, receipt_number, device_reference, till, device, operator, shift_no,
    business_date, sold_at, lines, units_milli, amount_minor, discount_minor, net_minor, tax_minor, total_minor,
    content_hash, flags)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT no FROM shift WHERE id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

const INSERT_TENDER_ENTRY = `
  INSERT INTO tender_entry (shift_no, tender_type, currency, amount_minor, reason, sale_no)
  VALUES ((SELECT shift_no FROM sale WHERE no = ?), ?, ?, ?, 'sale', ?)`;

/* max: a line fetched again or out of turn never takes a number back. */
const MOVE_COUNTER = `
  INSERT INTO receipt_counter (till, epoch, series, last) VALUES (?, ?, 'sale', ?)
  ON CONFLICT (till, epoch, series) DO UPDATE SET last = max(last, excluded.last)`;

const ADD_TO_TILL = `
  INSERT INTO till_total (till, last_z, grand_total_minor) VALUES (?, 0, ?)
  ON CONFLICT (till) DO UPDATE SET grand_total_minor = grand_total_minor + excluded.grand_total_minor`;

/** A sale with its tender entries, its stock movements, the till's counter and its grand total. */
export const applySale: Applier<'sale'> = (tx, line, place) => {
  const { body } = line;
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
    body.lines.length,
    sumMinor(body.lines.map(({ quantityMilli }) => quantityMilli)),
    body.amountMinor,
    body.discountMinor,
    body.netMinor,
    body.taxMinor,
    body.totalMinor,
    Buffer.from(line.contentHash, 'hex'),
    body.flags.length === 0 ? null : body.flags.join(' '),
  );
  const saleNo = Number(lastInsertRowid);
  for (const { tenderType, currency, amountMinor } of tenderEntriesOfSale(
    body.currency,
    body.tenders,
    body.changeMinor,
  )) {
    tx.run(INSERT_TENDER_ENTRY, saleNo, tenderType, currency, amountMinor, saleNo);
  }
  appendMovements(tx, saleNo, movementsOfSale(body.lines), body.lines);
  moveReceiptCounter(tx, body);
  tx.run(ADD_TO_TILL, body.till, body.totalMinor);
};

export function moveReceiptCounter(tx: Tx, { till, epoch, receiptNo }: SaleBody): void {
  if (receiptNo !== undefined) tx.run(MOVE_COUNTER, till, epoch, receiptNo);
}
