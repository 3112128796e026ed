import { instantMsOf } from '@branchline/domain/business-date.js';
import type { Command, CommandContext } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { CLOCK_SKEW_MS_MAX, recorded, type SaleOutcome } from './complete-sale.js';
import { composeSale } from './compose-sale.js';
import { saleAnswer } from './sale-answer.js';
import type { FinishedSaleInput } from './sale-input.js';
import { salePlace, type SalePlace } from './sale-place.js';
import { replayedSale } from './stored-sale.js';

export type FinishedSale = {
  input: FinishedSaleInput;
  contentHash: string;
  till: string;
  branchCode: string;
};

/** Of whom the till did not say who it was, and no shift tells either. */
const NOBODY = 'UNKNOWN';

/**
 * A sale that a till finished while away from the edge: a fact. Whatever does not fit is flagged; it keeps the number
 * that was printed, its device reference, and takes none of the till's series.
 *
 * @throws Problem same-id-other-content; invalid-sale, line-below-zero for what is no sale at all
 */
export const recordFinishedSale: Command<FinishedSale, SaleOutcome> = {
  name: 'record-finished-sale',
  waits: true,
  decide(tx, { input, contentHash, till, branchCode }, context) {
    const stored = replayedSale(tx, input.id, contentHash);
    if (stored !== undefined) {
      const answer = saleAnswer(stored, branchCode, 'QUEUED');
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    const place = salePlace(tx, till, context.epoch);
    const { kind: _kind, operator: _operator, receiptNumber: _printed, ...sale } = input;
    const { operator, flags } = whoAndWhere(tx, input, place);
    const { occurredAtMs, soldAtMs, isSkewed } = momentOf(input, context);
    const draft = composeSale(tx, {
      input: sale,
      contentHash,
      source: 'away',
      till,
      device: context.device,
      operator,
      epoch: context.epoch,
      place,
      receiptNumber: input.deviceReference,
      occurredAtMs,
      soldAtMs,
      flags: isSkewed ? [...flags, 'clock-skew'] : flags,
    });
    return recorded(draft, context, branchCode);
  },
};

/** The business date was bound when the sale was made, at the till. A time still to come is no such time. */
function momentOf({ occurredAt }: FinishedSaleInput, { nowMs }: CommandContext) {
  const occurredAtMs = occurredAt === undefined ? nowMs : instantMsOf(occurredAt);
  const isSkewed = occurredAtMs > nowMs + CLOCK_SKEW_MS_MAX;
  return { occurredAtMs, soldAtMs: isSkewed ? nowMs : occurredAtMs, isSkewed };
}

function whoAndWhere(tx: ReadTx, input: FinishedSaleInput, place: SalePlace): { operator: string; flags: string[] } {
  const operator = input.operator ?? place.shift?.operator ?? NOBODY;
  const known = tx.get<{ active: number }>('SELECT active FROM operator WHERE operator = ?', operator);
  return {
    operator,
    flags: [...(place.shift === null ? ['no-open-shift'] : []), ...(known?.active === 1 ? [] : ['unknown-operator'])],
  };
}
