import { businessDate } from '@branchline/domain/business-date.js';
import { problem } from '@branchline/http/problem.js';
import { contentHash } from '@branchline/replication/content-hash.js';
import { daySealSchema, type DaySeal } from '@branchline/replication/kinds/day-seal.js';
import type { Command, CommandContext, JournalRef } from '../store/command.js';
import type { ReadTx } from '../store/tx.js';
import { branchSettings } from '../tills/branch-settings.js';
import { journaledAt, onlyRef } from './journaled.js';
import { figuresAnswer, figuresOfDate } from './shift-figures.js';
import { sealedTo } from './shift-row.js';

export type DayToSeal = { businessDate: string; tillsHolding: string[] };
export type SealOutcome = { answer: SealAnswer; replayed: boolean };

const SHIFTS_NAMED_MAX = 5;

/**
 * `POST /v1/days/:businessDate/seal`: this business date and every earlier one are complete. A date that is sealed, by its
 * own seal or a later one, is answered with that seal.
 *
 * @throws Problem shift-open (naming them), invalid-field (a date that has not begun)
 */
export const sealDay: Command<DayToSeal, SealOutcome> = {
  name: 'seal-day',
  decide(tx, { businessDate: date, tillsHolding }, context) {
    const seal = tx.get<{ position: number }>(
      'SELECT position FROM day_seal WHERE business_date >= ? ORDER BY business_date LIMIT 1',
      date,
    );
    if (seal !== undefined) {
      const { line, journal } = journaledAt(tx, seal.position);
      const answer = sealAnswer(daySealSchema.parse(line.body), journal);
      return { lines: [], answer: () => ({ answer, replayed: true }) };
    }
    const body = { ...sealOf(tx, date, context), ...(tillsHolding.length > 0 && { tillsHolding }) };
    const refs = body.shifts.slice(-REFS_MAX).map(({ id }) => `shift:${id}`);
    return {
      lines: [{ kind: 'day-seal', key: date, refs, contentHash: contentHash(body), body }],
      answer: (journaled) => ({ answer: sealAnswer(body, onlyRef(journaled)), replayed: false }),
    };
  },
};

/** As many as a line may name; the body lists them all. */
const REFS_MAX = 100;

function sealOf(tx: ReadTx, date: string, { nowMs, actor }: CommandContext): DaySeal {
  if (actor === null) throw new Error('a day is sealed by an operator');
  assertHasBegun(tx, date, nowMs);
  assertAllClosed(tx, date);
  return {
    businessDate: date,
    operator: actor,
    sealedAt: nowMs,
    shifts: shiftsSealed(tx, date),
    figures: figuresOfDate(tx, date),
  };
}

/** A seal of next year would close the store. What an importer brings may be ahead of the edge's clock, though. */
function assertHasBegun(tx: ReadTx, date: string, nowMs: number): void {
  const { timeZone, cutOffMinutes } = branchSettings(tx);
  if (date <= businessDate(nowMs, timeZone, cutOffMinutes)) return;
  const newest = tx.get<{ date: string | null }>('SELECT max(business_date) AS date FROM shift')?.date ?? null;
  if (newest === null || date > newest) throw problem('invalid-field', `${date} has not begun in this branch`);
}

function assertAllClosed(tx: ReadTx, date: string): void {
  const open = tx.all<{ id: string; till: string }>(
    'SELECT id, till FROM shift WHERE closed_at IS NULL AND business_date <= ? ORDER BY no LIMIT ?',
    date,
    SHIFTS_NAMED_MAX,
  );
  if (open.length === 0) return;
  throw problem('shift-open', `still open: ${open.map(({ id, till }) => `shift ${id} on till ${till}`).join(', ')}`);
}

/** The shifts that no earlier seal covers. */
function shiftsSealed(tx: ReadTx, date: string): { id: string; zNumber: number }[] {
  return tx.all(
    'SELECT id, z_number AS zNumber FROM shift WHERE business_date > ? AND business_date <= ? ORDER BY no',
    sealedTo(tx) ?? '',
    date,
  );
}

function sealAnswer(body: DaySeal, journal: JournalRef) {
  const { businessDate: _date, ...figures } = body.figures;
  return {
    businessDate: body.businessDate,
    operator: body.operator,
    sealedAt: new Date(body.sealedAt).toISOString(),
    shifts: body.shifts.map(({ id, zNumber }) => ({ id, zNumber })),
    figures: figuresAnswer(figures),
    tillsHolding: body.tillsHolding ?? [],
    journal,
  };
}

export type SealAnswer = ReturnType<typeof sealAnswer>;
