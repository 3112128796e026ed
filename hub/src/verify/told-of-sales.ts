import type { LineOfKind } from '../sync/read-line.js';

type SaleLine = LineOfKind<'sale'>;

/** Of each kind; a branch has a handful. Beyond them nothing is taken away, since not all that leads to a row is known. */
const TOLD_MAX = 100_000;

export type LinePlace = { incarnation: string; seq: number };
export type Alias = { number: string; sale: string; tellers: LinePlace[] };
export type Late = { sale: string; date: string; atMs: number };

/**
 * What the lines of a branch say of sales beside their own rows, gathered in a walk over all of them. To be told the same
 * again changes nothing: a page whose transaction is run again is told twice.
 */
export class ToldOfSales {
  /** By the sale that took back, which it took back. */
  readonly reversals = new Map<string, string>();
  readonly late = new Map<string, Late>();
  readonly aliases = new Map<string, Alias>();
  /** By the sale, which it doubles as its store has said. */
  readonly doubled = new Map<string, string>();
  /** They bear the number of what they replace. */
  readonly corrections = new Set<string>();

  /** The line by which a sale stands. */
  noteOwn({ atMs, body }: SaleLine, isLate: boolean): void {
    const { id, businessDate: date, reverses, conflict, duplicateOf } = body;
    if (reverses !== undefined) put(this.reversals, id, reverses.sale);
    if (isLate) put(this.late, id, { sale: id, date, atMs });
    if (conflict !== undefined && this.corrections.size < TOLD_MAX) this.corrections.add(id);
    if (duplicateOf !== undefined && conflict === undefined) put(this.doubled, id, duplicateOf);
  }

  /** A line that tells a sale again, under a number that its row does not bear. */
  noteRepeat({ incarnation, seq }: LinePlace, { id: sale, receiptNumber: number }: SaleLine['body']): void {
    const key = `${sale} ${number}`;
    const alias = this.aliases.get(key) ?? { number, sale, tellers: [] };
    if (!alias.tellers.some((each) => each.incarnation === incarnation && each.seq === seq))
      alias.tellers.push({ incarnation, seq });
    put(this.aliases, key, alias);
  }

  static isAll(told: { size: number }): boolean {
    return told.size < TOLD_MAX;
  }
}

function put<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size < TOLD_MAX || map.has(key)) map.set(key, value);
}
