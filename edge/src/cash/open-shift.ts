import { businessDate, instantMsOf } from '@branchline/domain/business-date.js';
import { problem } from '@branchline/http/problem.js';
import { shiftOpenSchema, type ShiftOpen } from '@branchline/replication/kinds/shift-open.js';
import type { Command, CommandContext, DraftLine, JournalRef } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { branchSettings } from '../tills/branch-settings.js';
import type { ShiftInput } from './cash-input.js';
import { journaledAt, onlyRef } from './journaled.js';
import { openShiftsAt, sealedTo, shiftById, type ShiftRow } from './shift-row.js';

export type ShiftToOpen = {
  input: ShiftInput;
  /** Over the JSON as received. */
  contentHash: string;
  till: string;
  mayImport: boolean;
};

export type OpenOutcome = { answer: ShiftAnswer; replayed: boolean };

/**
 * `POST /v1/shifts`: a drawer gets an operator who answers for its cash.
 *
 * @throws Problem same-id-other-content, forbidden (occurredAt without sale.import), shift-open (the till has one),
 *   drawer-in-use, day-sealed
 */
export const openShift: Command<ShiftToOpen, OpenOutcome> = {
  name: 'open-shift',
  decide(tx, shift, context) {
    const stored = shiftById(tx, shift.input.id);
    if (stored !== undefined) {
      const answer = replayed(tx, stored, shift.contentHash);
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    const draft = decideShift(tx, shift, context);
    return {
      lines: [draft],
      answer: (refs) => ({ answer: shiftAnswer(draft.body, onlyRef(refs)), replayed: false }),
    };
  },
};

function decideShift(
  tx: ReadTx,
  { input, contentHash, till, mayImport }: ShiftToOpen,
  context: CommandContext,
): DraftLine<'shift-open'> {
  const { nowMs, actor } = context;
  if (actor === null) throw new Error('a shift is opened by an operator');
  if (input.occurredAt !== undefined && !mayImport) throw problem('forbidden', 'occurredAt needs sale.import');
  const openedAt = input.occurredAt === undefined ? nowMs : instantMsOf(input.occurredAt);
  const settings = branchSettings(tx);
  const openedOn = businessDate(openedAt, settings.timeZone, settings.cutOffMinutes);
  const [taken] = openShiftsAt(tx, till, input.drawer);
  if (taken?.till === till) throw problem('shift-open', `shift ${taken.id} is open on till ${till}`);
  if (taken !== undefined)
    throw problem('drawer-in-use', `drawer ${taken.drawer} is in the shift open on till ${taken.till}`);
  const sealed = sealedTo(tx);
  // A date still to come was sealed by a clock that was ahead, here or at another box: the store opens, its sales are late.
  const isStillToCome = input.occurredAt === undefined && sealed !== null && openedOn < sealed;
  if (sealed !== null && openedOn <= sealed && !isStillToCome)
    throw problem('day-sealed', `${openedOn} is sealed, as is all up to ${sealed}`);
  const body: ShiftOpen = {
    id: input.id,
    till,
    drawer: input.drawer,
    operator: actor,
    floatMinor: input.floatMinor,
    currency: settings.currency,
    openedAt,
    businessDate: openedOn,
  };
  return { kind: 'shift-open', key: input.id, refs: [], contentHash, body };
}

function replayed(tx: ReadTx, stored: ShiftRow, contentHash: string): ShiftAnswer {
  if (stored.contentHash !== contentHash || stored.openPosition === null) {
    throw problem('same-id-other-content', `shift ${stored.id} was opened before with other content`);
  }
  const { line, journal } = journaledAt(tx, stored.openPosition);
  return shiftAnswer(shiftOpenSchema.parse(line.body), journal);
}

function shiftAnswer(body: ShiftOpen, journal: JournalRef) {
  return {
    id: body.id,
    till: body.till,
    drawer: body.drawer,
    operator: body.operator,
    floatMinor: body.floatMinor,
    currency: body.currency,
    openedAt: new Date(body.openedAt).toISOString(),
    businessDate: body.businessDate,
    journal,
  };
}

export type ShiftAnswer = ReturnType<typeof shiftAnswer>;
