import type { SaleFigures } from '@branchline/domain/z-report.js';
import { canonicalJson } from '@branchline/replication/canonical-json.js';
import type { Tx } from '../database/unit-of-work.js';
import { problem } from '@branchline/http/problem.js';
import type { LineOfKind, ReadyLine } from '../sync/read-line.js';
import { tellsTheSame } from '../sync/same-content.js';
import { addToDay, type DaySums } from './day-sums.js';
import type { Differences } from './differences.js';
import { expectedFact, type ExpectedFact, type FactKind, type Values } from './expected-facts.js';
import { SaidOfSales } from './said-of-sales.js';
import { FACT_TABLES, storedFacts, type StoredFact, type StoredValues } from './stored-facts.js';

export const FACT_KINDS = Object.keys(FACT_TABLES) as FactKind[];

/** A century of days. A box can write any number of dates, and a verification keeps the sums of each. */
const DAYS_MAX = 36_525;
/** Beyond these a missing fact that several histories tell may be counted in the sums of each; they differ anyway. */
const MISSING_MAX = 10_000;

const NUMBER_AT = FACT_TABLES.sale.columns.indexOf('receipt_number');

type Place = { id: string; timeZone: string };

/** Compares what the archived lines say with the rows that stand for them, and adds up what the lines say. */
export class FactComparison {
  readonly days = new Map<string, DaySums>();
  /** Rows that were found to be what their line says or, named, to differ from it. */
  readonly found: Record<FactKind, number> = {
    sale: 0,
    'shift-open': 0,
    'shift-close': 0,
    'day-seal': 0,
    'device-enrol': 0,
    'customer-edit': 0,
  };
  readonly said: SaidOfSales;
  private readonly missing = new Set<string>();

  constructor(
    private readonly tx: Tx,
    private readonly branch: Place,
    private readonly differences: Differences,
  ) {
    this.said = new SaidOfSales(tx, branch, differences);
  }

  /** @param lines of one history, none of them in quarantine */
  async take(incarnation: string, lines: readonly ReadyLine[]): Promise<void> {
    const figures: SaleFigures[] = [];
    for (const kind of FACT_KINDS) {
      const facts = lines
        .filter((line) => line.kind === kind)
        .flatMap((line) => {
          const fact = expectedFact(line, this.branch.timeZone);
          return fact ? [{ line, fact }] : [];
        });
      if (facts.length === 0) continue;
      const ids = [...new Set(facts.map(({ fact }) => fact.id))];
      const stored = await storedFacts(this.tx, this.branch.id, kind, ids);
      for (const { line, fact } of facts) {
        const counts = this.compare(kind, incarnation, line, fact, stored.get(fact.id));
        if (counts && fact.figures) figures.push(fact.figures);
        if (line.kind === 'sale') this.noteSaid(incarnation, line, stored.get(fact.id));
      }
    }
    await this.said.compare();
    this.count(figures);
  }

  private noteSaid(incarnation: string, line: LineOfKind<'sale'>, row: StoredFact | undefined): void {
    if (row === undefined) return;
    if (row.incarnation === incarnation && row.seq === line.seq) this.said.noteOwn(line);
    else if (row.contentHash === line.contentHash) this.said.noteRepeat(incarnation, line, row.head[NUMBER_AT]);
  }

  /** @returns whether this line is the one by which its fact counts: a fact may be told by several histories */
  private compare(
    kind: FactKind,
    incarnation: string,
    { seq, contentHash }: ReadyLine,
    fact: ExpectedFact,
    row: StoredFact | undefined,
  ): boolean {
    const place = `${kind} ${fact.id} (line ${seq} of ${incarnation})`;
    const date = fact.figures?.businessDate;
    if (!row) {
      this.differences.add('missing-row', `${place} has no row in ${FACT_TABLES[kind].table}`, date);
      const isFirst = !this.missing.has(fact.id);
      if (this.missing.size < MISSING_MAX) this.missing.add(fact.id);
      return isFirst;
    }
    if (row.incarnation !== incarnation || row.seq !== seq) {
      if (row.contentHash === contentHash && tellsTheSame(kind, fact, row)) return false;
      const told = `another content than line ${row.seq} of ${row.incarnation}, and not in quarantine`;
      this.differences.add('unaccounted-line', `${place}: ${told}`, date);
      return false;
    }
    this.found[kind] += 1;
    const told = differenceOfFact(kind, contentHash, fact, row);
    if (told !== null) this.differences.add('altered-row', `${place}: ${told}`, date);
    return true;
  }

  private count(figures: readonly SaleFigures[]): void {
    for (const figure of figures) addToDay(this.days, figure);
    if (this.days.size > DAYS_MAX)
      throw problem('verification-too-long', `The lines of the branch are of more than ${DAYS_MAX} business dates.`);
  }
}

/** What the rows of a fact say that its line does not; null: nothing. */
export function differenceOfFact(
  kind: FactKind,
  contentHash: string,
  fact: ExpectedFact,
  row: StoredFact,
): string | null {
  const { table } = FACT_TABLES[kind];
  if (row.contentHash !== contentHash) return `content_hash of ${table} is not the line’s`;
  const ofHead = differenceOfValues(fact.head, row.head);
  if (ofHead !== null) return `${table}.${ofHead}`;
  for (const [part, expected] of Object.entries(fact.parts)) {
    const stored = row.parts[part] ?? [];
    if (stored.length !== expected.length)
      return `${part} has ${stored.length} rows, the line ${expected.length} of them`;
    for (const [at, values] of expected.entries()) {
      const ofPart = differenceOfValues(values, stored[at] as StoredValues);
      if (ofPart !== null) return `${part} ${at + 1}, ${ofPart}`;
    }
  }
  return null;
}

/** The first column that differs, with what both say; null: none. */
function differenceOfValues(expected: Values, stored: StoredValues): string | null {
  const columns = Object.keys(expected);
  if (columns.length !== stored.length)
    throw new Error(`${columns.length} columns are told, ${stored.length} are read`);
  for (const [at, column] of columns.entries()) {
    // Nearly always a number or text, and the same.
    if (expected[column] === stored[at]) continue;
    const [said, kept] = [canonicalJson(expected[column]), canonicalJson(stored[at] ?? null)];
    if (said !== kept) return `${column} is ${shown(kept)}, the line says ${shown(said)}`;
  }
  return null;
}

function shown(json: string): string {
  return json.length > 60 ? `${json.slice(0, 60)}…` : json;
}
