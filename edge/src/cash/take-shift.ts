import { shiftCloseSchema } from '@branchline/replication/kinds/shift-close.js';
import { adoptSales } from '../selling/take-sale.js';
import type { Applier, FetchedOutcome } from '../store/command.js';
import { applyShiftClose, applyShiftOpen } from './apply-shift.js';
import { shiftById } from './shift-row.js';

/** The opening of a shift that another history, or this file before it was restored, tells. */
export function takeShiftOpen(...[tx, line, place]: Parameters<Applier<'shift-open'>>): FetchedOutcome {
  const { id } = line.body;
  const known = shiftById(tx, id);
  if (known === undefined) {
    applyShiftOpen(tx, line, place);
    adoptSales(tx, id);
    return 'applied';
  }
  if (known.openPosition !== null) return known.contentHash === line.contentHash ? 'known' : 'differs';
  // Its close came first, from another history, and told all but this.
  tx.run(
    'UPDATE shift SET content_hash = ?, open_position = ? WHERE no = ?',
    line.contentHash,
    place.position,
    known.no,
  );
  return 'applied';
}

/** A shift is closed once: the first Z here stands. */
export function takeShiftClose(...[tx, line, place]: Parameters<Applier<'shift-close'>>): FetchedOutcome {
  const known = shiftById(tx, line.body.id);
  if (known === undefined) {
    const { id, till, drawer, operator, floatMinor, currency, openedAt, businessDate } = shiftCloseSchema.parse(
      line.body,
    );
    tx.run(INSERT_CLOSED, id, till, drawer, operator, floatMinor, currency, openedAt, businessDate);
    adoptSales(tx, id);
  } else if (known.closePosition !== null) {
    const { zNumber, closedAt } = line.body;
    const isSame = tx.get(
      'SELECT 1 FROM shift WHERE no = ? AND z_number = ? AND closed_at = ?',
      known.no,
      zNumber,
      closedAt,
    );
    return isSame === undefined ? 'differs' : 'known';
  }
  applyShiftClose(tx, line, place);
  return 'applied';
}

/* Its opening has not come: without a position, and with a content that none has. */
const INSERT_CLOSED = `
  INSERT INTO shift (id, till, drawer, operator, float_minor, currency, opened_at, business_date, content_hash, open_position)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', NULL)`;
