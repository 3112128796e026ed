import type { ClosedTender, DeclaredTender } from '@branchline/domain/z-report.js';
import { problem } from '@branchline/http/problem.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { shiftCloseSchema, type ShiftClose } from '@branchline/replication/kinds/shift-close.js';
import type { Command, CommandContext } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { journaledAt, onlyRef } from './journaled.js';
import { flagsOfShift, totalOfTill } from './shift-figures.js';
import { shiftById, type ShiftRow } from './shift-row.js';
import { reportOfShift, zAnswer, type ZAnswer } from './x-report.js';

export type ShiftToClose = { id: string; declared: readonly DeclaredTender[]; till: string };
export type CloseOutcome = { answer: ZAnswer; replayed: boolean };

/**
 * `POST /v1/shifts/:id/close`: the Z. Closing never fails for what is odd, it lists it. Closed again with the same counts
 * it gives the same Z.
 *
 * @throws Problem not-found, shift-closed (closed before with other counts)
 */
export const closeShiftWithZ: Command<ShiftToClose, CloseOutcome> = {
  name: 'close-shift',
  decide(tx, request, context) {
    const shift = shiftById(tx, request.id);
    if (shift === undefined) throw problem('not-found', `no shift ${request.id}`);
    if (shift.closePosition !== null) {
      const answer = replayedZ(tx, shift.closePosition, request.declared);
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    const body = zOf(tx, shift, request, context);
    const refs = [`shift:${shift.id}`];
    return {
      lines: [{ kind: 'shift-close', key: shift.id, refs, contentHash: contentHash(body), body }],
      answer: (journaled) => ({ answer: zAnswer(body, onlyRef(journaled)), replayed: false }),
    };
  },
};

function zOf(tx: ReadTx, shift: ShiftRow, request: ShiftToClose, { nowMs, actor }: CommandContext): ShiftClose {
  const report = reportOfShift(tx, shift, request.declared);
  return {
    id: shift.id,
    zNumber: totalOfTill(tx, shift.till).lastZ + 1,
    till: shift.till,
    drawer: shift.drawer,
    operator: shift.operator,
    openedAt: shift.openedAt,
    closedAt: nowMs,
    businessDate: shift.businessDate,
    currency: shift.currency,
    floatMinor: shift.floatMinor,
    ...report,
    exceptions: exceptionsOf(tx, shift, report.tenders, request, { nowMs, actor }),
  };
}

function exceptionsOf(
  tx: ReadTx,
  shift: ShiftRow,
  tenders: readonly ClosedTender[],
  { till }: ShiftToClose,
  { nowMs, actor }: Pick<CommandContext, 'nowMs' | 'actor'>,
): string[] {
  const found: string[] = [];
  if (actor !== shift.operator) found.push(`opened by ${shift.operator}, closed by ${actor}`);
  if (till !== shift.till) found.push(`closed at till ${till}`);
  if (nowMs < shift.openedAt) found.push('the clock says that it closed before it opened');
  for (const tender of tenders) found.push(...exceptionsOfTender(tender));
  for (const [flag, sales] of flagsOfShift(tx, shift.no))
    found.push(`${sales} ${sales === 1 ? 'sale' : 'sales'} flagged ${flag}`);
  return found;
}

function exceptionsOfTender({ tenderType, currency, declaredMinor, differenceMinor }: ClosedTender): string[] {
  if (declaredMinor === null) return [`${tenderType} was not declared`];
  if (differenceMinor === null || differenceMinor === 0) return [];
  return [`${tenderType} is ${Math.abs(differenceMinor)} ${currency} minor ${differenceMinor < 0 ? 'short' : 'over'}`];
}

function replayedZ(tx: ReadTx, closePosition: number, declared: readonly DeclaredTender[]): ZAnswer {
  const { line, journal } = journaledAt(tx, closePosition);
  const body = shiftCloseSchema.parse(line.body);
  if (!declaresTheSame(body.tenders, declared)) {
    throw problem('shift-closed', `shift ${body.id} was closed with Z ${body.zNumber} and other counts`);
  }
  return zAnswer(body, journal);
}

/** What was counted, per type: the order and the splitting of a request are not content. */
function declaresTheSame(tenders: ShiftClose['tenders'], declared: readonly DeclaredTender[]): boolean {
  const counted = new Map<string, number>();
  for (const { tenderType, amountMinor } of declared)
    counted.set(tenderType, (counted.get(tenderType) ?? 0) + amountMinor);
  const before = tenders.filter((tender) => tender.declaredMinor !== null);
  return (
    before.length === counted.size && before.every((tender) => counted.get(tender.tenderType) === tender.declaredMinor)
  );
}
