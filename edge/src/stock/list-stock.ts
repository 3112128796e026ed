import { quantityDecimal } from '@branchline/domain/quantity.js';
import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { ReadTx } from '../store/tx.js';

export const stockQuery = z.strictObject({ ...pageQuery, product: text(64).optional() });
export type StockQuery = z.output<typeof stockQuery>;

export type StockItem = { product: string; onHand: number };

type Row = { product: string; onHandMilli: number };
const BALANCE = 'SELECT product, on_hand_milli AS onHandMilli FROM stock_balance';
const cursorSchema = z.tuple([z.string().max(64)]);

/** `GET /v1/stock`: on hand of every product that ever moved here; below zero where more was sold than was known of. */
export function listStock(tx: ReadTx, { product, limit, after }: StockQuery): Page<StockItem> {
  const [last] = after === undefined ? [''] : decodeCursor(cursorSchema, after);
  const rows =
    product === undefined
      ? tx.all<Row>(`${BALANCE} WHERE product > ? ORDER BY product LIMIT ?`, last, limit + 1)
      : tx.all<Row>(`${BALANCE} WHERE product = ?`, product);
  return pageOf(
    rows,
    limit,
    (row) => [row.product],
    (row) => ({ product: row.product, onHand: quantityDecimal(row.onHandMilli) }),
  );
}
