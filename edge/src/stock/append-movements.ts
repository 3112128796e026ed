import type { Movement } from '@branchline/domain/stock.js';
import type { SqlValue, Tx } from '../store/tx.js';

/** Rows in one statement: a usual basket is one, a long one some, and the statements kept ready stay few. */
const ROWS_MAX = 8;

const insertMovements = statements(
  (values) => `INSERT INTO stock_movement (product, quantity_milli, reason, sale_no, line_no) VALUES ${values}`,
  5,
);

const addToBalances = statements(
  (values) => `INSERT INTO stock_balance (product, on_hand_milli) VALUES ${values}
    ON CONFLICT (product) DO UPDATE SET on_hand_milli = on_hand_milli + excluded.on_hand_milli`,
  2,
);

/** Movements of a sale, in the order of its lines, and the balance they sum to. For appliers only. */
export function appendMovements(
  tx: Tx,
  saleNo: number,
  movements: readonly Movement[],
  lines: readonly { lineNo: number }[],
): void {
  for (let from = 0; from < movements.length; from += ROWS_MAX) {
    const rows = movements.slice(from, from + ROWS_MAX);
    const moved: SqlValue[] = [];
    const added: SqlValue[] = [];
    rows.forEach(({ product, quantityMilli, reason }, at) => {
      moved.push(product, quantityMilli, reason, saleNo, lines[from + at]?.lineNo ?? null);
      added.push(product, quantityMilli);
    });
    tx.run(textFor(insertMovements, rows.length), ...moved);
    tx.run(textFor(addToBalances, rows.length), ...added);
  }
}

/** One text for each number of rows, from 1. */
function statements(text: (values: string) => string, columns: number): string[] {
  const row = `(${Array.from({ length: columns }, () => '?').join(', ')})`;
  return Array.from({ length: ROWS_MAX }, (_, at) => text(Array.from({ length: at + 1 }, () => row).join(', ')));
}

function textFor(texts: readonly string[], rows: number): string {
  const text = texts[rows - 1];
  if (text === undefined) throw new Error(`no statement for ${rows} rows`);
  return text;
}
