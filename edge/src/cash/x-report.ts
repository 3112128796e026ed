import { closeShift, type DeclaredTender } from '@branchline/domain/z-report.js';
import { problem } from '@branchline/http/problem.js';
import type { ShiftClose } from '@branchline/replication/kinds/shift-close.js';
import type { JournalRef } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { entriesOfShift, figuresAnswer, figuresOfShift, totalOfTill, totalsOf } from './shift-figures.js';
import { shiftById, type ShiftRow } from './shift-row.js';

/** What X and Z have in common: one calculation, so that the last X before a Z shows the same sums. */
export type ShiftReport = Pick<ShiftClose, 'byBusinessDate' | 'tenders' | 'grandTotalMinor'>;

export function reportOfShift(tx: ReadTx, shift: ShiftRow, declared: readonly DeclaredTender[]): ShiftReport {
  return {
    byBusinessDate: figuresOfShift(tx, shift.no),
    tenders: closeShift({
      floatMinor: shift.floatMinor,
      currency: shift.currency,
      entries: entriesOfShift(tx, shift.no),
      declared,
    }),
    grandTotalMinor: totalOfTill(tx, shift.till).grandTotalMinor,
  };
}

/** `GET /v1/shifts/:id/x`: interim, writes nothing; of a closed shift what its Z says without what was counted. @throws Problem not-found */
export function xReport(tx: ReadTx, id: string) {
  const shift = shiftById(tx, id);
  if (shift === undefined) throw problem('not-found', `no shift ${id}`);
  const { byBusinessDate, tenders, grandTotalMinor } = reportOfShift(tx, shift, []);
  return {
    id: shift.id,
    till: shift.till,
    drawer: shift.drawer,
    operator: shift.operator,
    openedAt: new Date(shift.openedAt).toISOString(),
    businessDate: shift.businessDate,
    currency: shift.currency,
    floatMinor: shift.floatMinor,
    closed: shift.closePosition !== null,
    byBusinessDate: byBusinessDate.map((day) => ({ businessDate: day.businessDate, ...figuresAnswer(day) })),
    totals: figuresAnswer(totalsOf(byBusinessDate)),
    tenders: tenders.map(({ tenderType, currency, expectedMinor }) => ({ tenderType, currency, expectedMinor })),
    grandTotalMinor,
  };
}

export type XReport = ReturnType<typeof xReport>;

/** A Z as the API shows it, from its journal line. */
export function zAnswer(body: ShiftClose, journal: JournalRef) {
  return {
    id: body.id,
    zNumber: body.zNumber,
    till: body.till,
    drawer: body.drawer,
    operator: body.operator,
    openedAt: new Date(body.openedAt).toISOString(),
    closedAt: new Date(body.closedAt).toISOString(),
    businessDate: body.businessDate,
    currency: body.currency,
    floatMinor: body.floatMinor,
    byBusinessDate: body.byBusinessDate.map((day) => ({ businessDate: day.businessDate, ...figuresAnswer(day) })),
    totals: figuresAnswer(totalsOf(body.byBusinessDate)),
    tenders: body.tenders,
    grandTotalMinor: body.grandTotalMinor,
    exceptions: body.exceptions,
    journal,
  };
}

export type ZAnswer = ReturnType<typeof zAnswer>;
