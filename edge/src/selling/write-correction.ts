import { businessDate } from '@branchline/domain/business-date.js';
import { voidNumber } from '@branchline/domain/receipt-number.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { correctionId } from '@branchline/replication/correction-id.js';
import type { SaleBody } from '@branchline/replication/kinds/sale.js';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import type { Command, CommandContext, DraftLine } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { branchSettings } from '../tills/branch-settings.js';
import { correctionDue, type Correction } from './corrections.js';

/** On both sales: nobody rang them up. */
export const CORRECTION_FLAG = 'correction';

/**
 * What head office decided, written as ordinary lines: the sale taken back whole and, where there is one, what stands
 * instead. Exactly once, also after a restart, a restore and a doubled order: the ids of the lines are told by the conflict,
 * and what stands is asked in the transaction that writes.
 *
 * They are dated now: a day that is sealed stays as it is. Drawers are touched only where the sale's own shift is still
 * open; what was in the drawer of a closed one was counted then, and its Z shows it.
 */
export const writeCorrection: Command<{ conflict: string }, { lines: number }> = {
  name: 'write-correction',
  waits: true,
  decide(tx, { conflict }, context) {
    const correction = correctionDue(tx, conflict);
    const lines = correction === null ? [] : linesOf(tx, correction, context);
    return { lines, answer: () => ({ lines: lines.length }) };
  },
};

function linesOf(tx: ReadTx, correction: Correction, context: CommandContext): DraftLine[] {
  const { conflict, sale, body, replacement } = correction;
  const now = {
    conflict,
    shift: openShift(tx, body.shift),
    businessDate: dateOf(tx, context),
    soldAt: context.nowMs,
  };
  const number = nextVoid(tx, body.till, context.epoch);
  const reversal: SaleBody = {
    id: correctionId(conflict, 'reversal'),
    receiptNumber: voidNumber(branchSettings(tx).code, body.till, context.epoch, number),
    receiptNo: number,
    epoch: context.epoch,
    till: body.till,
    operator: body.operator,
    occurredAt: context.nowMs,
    source: 'live',
    ...(body.customerId !== undefined && { customerId: body.customerId }),
    ...reversedAmounts(body),
    ...now,
    flags: [CORRECTION_FLAG],
    reverses: { sale, contentHash: correction.contentHash },
  };
  const lines = [draft(reversal, { conflict, reverses: sale, contentHash: correction.contentHash })];
  if (replacement === null) return lines;
  const { receiptNo: _counted, duplicateOf: _another, reverses: _nothing, ...stands } = replacement.body;
  const flags = [...new Set([...stands.flags, CORRECTION_FLAG])].sort();
  const instead: SaleBody = { ...stands, id: correctionId(conflict, 'replacement'), ...now, flags };
  return [...lines, draft(instead, { conflict, replaces: sale, contentHash: replacement.contentHash })];
}

/** The same content wherever it is written: not the number, the date and the shift that it gets here. */
function draft(body: SaleBody, content: Record<string, unknown>): DraftLine<'sale'> {
  const refs = [
    ...(body.reverses === undefined ? [] : [`sale:${body.reverses.sale}`]),
    ...(body.shift === null ? [] : [`shift:${body.shift}`]),
    ...(body.customerId === undefined ? [] : [`customer:${body.customerId}`]),
  ];
  return { kind: 'sale', key: body.id, refs, contentHash: contentHash(content), body };
}

function openShift(tx: ReadTx, shift: string | null): string | null {
  if (shift === null) return null;
  return tx.get('SELECT 1 FROM shift WHERE id = ? AND closed_at IS NULL', shift) === undefined ? null : shift;
}

function dateOf(tx: ReadTx, { nowMs }: CommandContext): string {
  const { timeZone, cutOffMinutes } = branchSettings(tx);
  return businessDate(nowMs, timeZone, cutOffMinutes);
}

function nextVoid(tx: ReadTx, till: string, epoch: number): number {
  const sql = `SELECT last FROM receipt_counter WHERE till = ? AND epoch = ? AND series = 'void'`;
  return (tx.get<{ last: number }>(sql, till, epoch)?.last ?? 0) + 1;
}
