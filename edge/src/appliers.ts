import { applyDaySeal } from './cash/apply-day-seal.js';
import { applyShiftClose, applyShiftOpen } from './cash/apply-shift.js';
import { applyCustomerEdit } from './customers/apply-customer-edit.js';
import { applySale } from './selling/apply-sale.js';
import type { Appliers } from './store/command.js';
import { applyDeviceEnrol } from './tills/apply-device-enrol.js';

/** One per kind of line; nothing else writes a row of origin `journal`. */
export const APPLIERS: Appliers = {
  // The journal keeps its incarnations itself: the line only tells others.
  'incarnation-open': () => undefined,
  'device-enrol': applyDeviceEnrol,
  'shift-open': applyShiftOpen,
  sale: applySale,
  'shift-close': applyShiftClose,
  'day-seal': applyDaySeal,
  'customer-edit': applyCustomerEdit,
};
