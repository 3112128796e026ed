import type { Applier } from '../store/command.js';

const INSERT_SHIFT = `
  INSERT INTO shift (id, till, drawer, operator, float_minor, currency, opened_at, business_date, content_hash, open_position)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The float stands in the shift, not in the ledger: `closeShift` counts it in. */
export const applyShiftOpen: Applier<'shift-open'> = (tx, line, place) => {
  const { id, till, drawer, operator, floatMinor, currency, openedAt, businessDate } = line.body;
  tx.run(
    INSERT_SHIFT,
    id,
    till,
    drawer,
    operator,
    floatMinor,
    currency,
    openedAt,
    businessDate,
    line.contentHash,
    place.position,
  );
};

const CLOSE_SHIFT = 'UPDATE shift SET z_number = ?, closed_at = ?, close_position = ? WHERE id = ?';

/* max: a line out of turn never takes a number back. */
const MOVE_Z = `
  INSERT INTO till_total (till, last_z, grand_total_minor) VALUES (?, ?, 0)
  ON CONFLICT (till) DO UPDATE SET last_z = max(last_z, excluded.last_z)`;

export const applyShiftClose: Applier<'shift-close'> = (tx, line, place) => {
  const { id, till, zNumber, closedAt } = line.body;
  tx.run(CLOSE_SHIFT, zNumber, closedAt, place.position, id);
  tx.run(MOVE_Z, till, zNumber);
};
