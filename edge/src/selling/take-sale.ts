import type { Applier, FetchedOutcome } from '../store/command.js';
import type { Tx } from '../store/tx.js';
import { applySale, moveReceiptCounter } from './apply-sale.js';

type Known = { no: number; contentHash: Buffer; receiptNumber: string };

/** The till printed a number that another sale of the branch bears as well: both stand. */
export const DOUBLED_RECEIPT = 'duplicate-receipt-number';

/** A sale of another history, or one that this file lost. Known with the same content, its other number is an alias. */
export function takeSale(...[tx, line, place]: Parameters<Applier<'sale'>>): FetchedOutcome {
  const { id, receiptNumber } = line.body;
  const known = tx.get<Known>(
    'SELECT no, content_hash AS contentHash, receipt_number AS receiptNumber FROM sale WHERE id = ?',
    id,
  );
  if (known !== undefined) {
    // A number that was printed is not printed again, whatever it was printed on.
    moveReceiptCounter(tx, line.body);
    if (known.contentHash.toString('hex') !== line.contentHash) return 'differs';
    if (known.receiptNumber !== receiptNumber)
      tx.run('INSERT OR IGNORE INTO receipt_alias VALUES (?, ?)', receiptNumber, known.no);
    return 'known';
  }
  const isDoubled = tx.get('SELECT 1 FROM sale WHERE receipt_number = ?', receiptNumber) !== undefined;
  const flags = isDoubled ? [...line.body.flags, DOUBLED_RECEIPT] : line.body.flags;
  applySale(tx, { ...line, body: { ...line.body, flags } }, place);
  return isDoubled ? 'doubled' : 'applied';
}

/** Once their shift is here. */
export function adoptSales(tx: Tx, shift: string): void {
  const isAwaited = tx.get('SELECT 1 FROM orphan_sale WHERE shift = ?', shift) !== undefined;
  if (!isAwaited) return;
  const adopt = (table: string, column: string): void =>
    void tx.run(
      `UPDATE ${table} SET shift_no = (SELECT no FROM shift WHERE id = ?) WHERE ${column} IN (SELECT sale_no FROM orphan_sale WHERE shift = ?)`,
      shift,
      shift,
    );
  adopt('sale', 'no');
  adopt('tender_entry', 'sale_no');
  tx.run('DELETE FROM orphan_sale WHERE shift = ?', shift);
}
