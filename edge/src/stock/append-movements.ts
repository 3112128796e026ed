import type { Movement } from '@branchline/domain/stock.js';
import type { Tx } from '../store/tx.js';

const INSERT_MOVEMENT = `
  INSERT INTO stock_movement (product, quantity_milli, reason, sale_no, line_no) VALUES (?, ?, ?, ?, ?)`;

const ADD_TO_BALANCE = `
  INSERT INTO stock_balance (product, on_hand_milli) VALUES (?, ?)
  ON CONFLICT (product) DO UPDATE SET on_hand_milli = on_hand_milli + excluded.on_hand_milli`;

/** Movements of a sale, in the order of its lines, and the balance they sum to. For appliers only. */
export function appendMovements(
  tx: Tx,
  saleNo: number,
  movements: readonly Movement[],
  lines: readonly { lineNo: number }[],
): void {
  movements.forEach(({ product, quantityMilli, reason }, at) => {
    tx.run(INSERT_MOVEMENT, product, quantityMilli, reason, saleNo, lines[at]?.lineNo ?? null);
    tx.run(ADD_TO_BALANCE, product, quantityMilli);
  });
}
