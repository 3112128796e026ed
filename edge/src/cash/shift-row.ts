import type { ReadTx } from '../store/tx.js';

export type ShiftRow = {
  no: number;
  id: string;
  till: string;
  drawer: string;
  operator: string;
  floatMinor: number;
  currency: string;
  openedAt: number;
  businessDate: string;
  contentHash: string;
  /** Null: known by its close alone, which another history told. */
  openPosition: number | null;
  closePosition: number | null;
};

const COLUMNS = `no, id, till, drawer, operator, float_minor AS floatMinor, currency, opened_at AS openedAt,
  business_date AS businessDate, content_hash AS contentHash, open_position AS openPosition, close_position AS closePosition`;

export function shiftById(tx: ReadTx, id: string): ShiftRow | undefined {
  return tx.get<ShiftRow>(`SELECT ${COLUMNS} FROM shift WHERE id = ?`, id);
}

/** An open shift that holds the till or the drawer; two of them hold one each. */
export function openShiftsAt(tx: ReadTx, till: string, drawer: string): { id: string; till: string; drawer: string }[] {
  return tx.all(
    `SELECT id, till, drawer FROM shift WHERE closed_at IS NULL AND (till = ? OR drawer = ?) ORDER BY no LIMIT 2`,
    till,
    drawer,
  );
}

/** The newest sealed business date; a seal covers all earlier ones. */
export function sealedTo(tx: ReadTx): string | null {
  return tx.get<{ date: string | null }>('SELECT max(business_date) AS date FROM day_seal')?.date ?? null;
}
