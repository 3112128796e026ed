import type { ReadTx } from '../store/tx.js';
import { parsedSettings, type BranchSettings } from '../tills/branch-settings.js';

/** What stands around a sale that is about to be made on a till. */
export type SalePlace = {
  settings: BranchSettings;
  /** The open shift of the till. */
  shift: { id: string; operator: string } | null;
  /** The newest sealed business date; it and all earlier ones are sealed. */
  sealedTo: string | null;
  /** Last number given in the till's series of sales in this epoch. */
  lastReceiptNo: number;
};

type PlaceRow = {
  settings: string | null;
  shift: string | null;
  operator: string;
  sealedTo: string | null;
  lastReceiptNo: number;
};

/*
 * Four point reads in one statement: this runs once for every sale. Beside the shift that was opened here, one that another
 * box of the branch opened may have come; the till goes on in the one it sells in.
 */
const PLACE_SQL = `
  SELECT (SELECT body FROM branch_setting) AS settings,
         (SELECT max(business_date) FROM day_seal) AS sealedTo,
         coalesce((SELECT last FROM receipt_counter WHERE till = ? AND epoch = ? AND series = 'sale'), 0) AS lastReceiptNo,
         s.id AS shift, s.operator AS operator
  FROM (SELECT 1) LEFT JOIN shift s ON s.till = ? AND s.closed_at IS NULL ORDER BY s.no LIMIT 1`;

/** @throws Problem busy while the branch's settings have not come */
export function salePlace(tx: ReadTx, till: string, epoch: number): SalePlace {
  const row = tx.get<PlaceRow>(PLACE_SQL, till, epoch, till);
  if (row === undefined) throw new Error('a select without a condition gave no row');
  const { sealedTo, lastReceiptNo } = row;
  const shift = row.shift === null ? null : { id: row.shift, operator: row.operator };
  return { settings: parsedSettings(row.settings), shift, sealedTo, lastReceiptNo };
}
