import { businessDate } from '@branchline/domain/business-date.js';
import type { Tx } from '../database/unit-of-work.js';
import { LATE } from '../sync/amendments.js';
import type { LineOfKind } from '../sync/read-line.js';
import type { Differences } from './differences.js';

type SaleLine = LineOfKind<'sale'>;
type Place = { id: string; timeZone: string };
/** Rows of each table that were found to be what a line says. */
type Found = Record<'sale_reversal' | 'sale_alias' | 'day_amendment', number>;

const DAY_MS = 86_400_000;
/** Beyond so many, numbers that corrections bear again may be named as if they were not marked. */
const CORRECTIONS_MAX = 100_000;

/**
 * What is said of sales beside their own rows: which took back which, the other numbers that lead to them, which are
 * amendments of a sealed date, and what people are told about them. Compared with the lines that say so, and counted, so
 * that no row is left which none does. Hardly any sale has such a row: a page of lines without any asks nothing.
 *
 * Which of two sales came first, and that one resembles another, is not in the lines: of marks for that it is looked at
 * whether both are there, and whether people who were asked about it see it.
 */
export class SaidOfSales {
  private readonly found: Found = { sale_reversal: 0, sale_alias: 0, day_amendment: 0 };
  private readonly corrections: string[] = [];
  private reversals: SaleLine[] = [];
  private late: SaleLine[] = [];
  private repeats: { incarnation: string; line: SaleLine }[] = [];
  private doubled: SaleLine[] = [];

  constructor(
    private readonly tx: Tx,
    private readonly branch: Place,
    private readonly differences: Differences,
  ) {}

  /** The line by which a sale stands. */
  noteOwn(line: SaleLine): void {
    const { body } = line;
    if (body.reverses !== undefined) this.reversals.push(line);
    if (body.flags.includes(LATE)) this.late.push(line);
    if (body.conflict !== undefined && this.corrections.length < CORRECTIONS_MAX) this.corrections.push(body.id);
    if (body.duplicateOf !== undefined && body.conflict === undefined) this.doubled.push(line);
  }

  /** A line that tells a sale again. @param number that the sale's row bears */
  noteRepeat(incarnation: string, line: SaleLine, number: unknown): void {
    if (line.body.receiptNumber !== number) this.repeats.push({ incarnation, line });
  }

  /** What was noted since the last time, against its rows. */
  async compare(): Promise<void> {
    const [reversals, late, repeats, doubled] = [this.reversals, this.late, this.repeats, this.doubled];
    [this.reversals, this.late, this.repeats, this.doubled] = [[], [], [], []];
    if (reversals.length > 0) await this.compareReversals(reversals);
    if (late.length > 0) await this.compareAmendments(late);
    if (repeats.length > 0) await this.compareAliases(repeats);
    if (doubled.length > 0) await this.compareMarks(doubled);
  }

  /** Once every line was taken: rows that no line leads to. */
  async findExtra(): Promise<void> {
    for (const [table, found] of Object.entries(this.found)) {
      const { rows } = await this.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE branch_id = $1`);
      if (rows > found)
        this.differences.add('extra-row', `${table} has ${rows - found} rows to which no archived line leads`);
    }
    for (const [why, sql] of Object.entries(MARKS)) {
      const { rows, first } = await this.one<{ rows: number; first: string | null }>(sql, [this.corrections]);
      if (rows > 0)
        this.differences.add(MISSING.has(why) ? 'missing-row' : 'extra-row', `${TOLD[why]}: ${first}, ${rows} in all`);
    }
  }

  private async compareReversals(lines: readonly SaleLine[]): Promise<void> {
    const rows = await this.rows<{ sale: string; id: string }>(
      'SELECT sale_id AS sale, reversal_id AS id FROM sale_reversal WHERE branch_id = $1 AND reversal_id = ANY ($2::uuid[])',
      lines,
    );
    for (const { body } of lines) {
      const sale = body.reverses?.sale;
      if (rows.some((row) => row.id === body.id && row.sale === sale)) this.found.sale_reversal += 1;
      else this.missing(`sale_reversal does not say that ${body.id} took back ${sale}`, body.businessDate);
    }
  }

  private async compareAmendments(lines: readonly SaleLine[]): Promise<void> {
    const rows = await this.rows<{ id: string; date: string; posted: string }>(
      `SELECT sale_id AS id, business_date::text AS date, posting_date::text AS posted FROM day_amendment
       WHERE branch_id = $1 AND sale_id = ANY ($2::uuid[])`,
      lines,
    );
    for (const { body, atMs } of lines) {
      const row = rows.find(({ id }) => id === body.id);
      if (row === undefined) {
        this.missing(`day_amendment does not count sale ${body.id}`, body.businessDate);
        continue;
      }
      this.found.day_amendment += 1;
      const days = postingDatesOf(atMs, this.branch.timeZone);
      const isTrue = row.date === body.businessDate && days.includes(row.posted);
      const told = `day_amendment has sale ${body.id} at ${row.date}, posted ${row.posted}: its line says ${body.businessDate}, posted ${days[0]}`;
      if (!isTrue) this.differences.add('altered-row', told, body.businessDate);
    }
  }

  private async compareAliases(told: readonly { incarnation: string; line: SaleLine }[]): Promise<void> {
    const lines = told.map(({ line }) => line);
    const rows = await this.rows<{ id: string; number: string; incarnation: string; seq: number }>(
      `SELECT sale_id AS id, receipt_number AS number, incarnation, seq FROM sale_alias WHERE branch_id = $1 AND sale_id = ANY ($2::uuid[])`,
      lines,
    );
    for (const { incarnation, line } of told) {
      const { id, receiptNumber, businessDate: date } = line.body;
      const row = rows.find((each) => each.id === id && each.number === receiptNumber);
      if (row === undefined) this.missing(`sale_alias does not lead from ${receiptNumber} to sale ${id}`, date);
      // Several lines may tell one number; its row names the first.
      else if (row.incarnation === incarnation && Number(row.seq) === line.seq) this.found.sale_alias += 1;
    }
  }

  private async compareMarks(lines: readonly SaleLine[]): Promise<void> {
    const rows = await this.rows<{ id: string; detail: string }>(
      `SELECT sale_id AS id, detail FROM sale_exception WHERE branch_id = $1 AND sale_id = ANY ($2::uuid[]) AND code = 'duplicate'`,
      lines,
    );
    for (const { body } of lines)
      if (!rows.some(({ id, detail }) => id === body.id && detail === body.duplicateOf))
        this.missing(
          `sale_exception does not mark ${body.id} as a duplicate of ${body.duplicateOf}`,
          body.businessDate,
        );
  }

  private missing(detail: string, date: string): void {
    this.differences.add('missing-row', detail, date);
  }

  private rows<Row extends object>(sql: string, lines: readonly SaleLine[]): Promise<Row[]> {
    return this.tx.query<Row>(sql, [this.branch.id, lines.map(({ body }) => body.id)]);
  }

  private one<Row extends object>(sql: string, more: readonly unknown[] = []): Promise<Row> {
    return this.tx.one<Row>(sql, [this.branch.id, ...more]);
  }
}

/** On which an amendment may have been posted: the branch may have had another cut-off by then. The day itself, or the one before. */
export function postingDatesOf(atMs: number, timeZone: string): string[] {
  return [atMs, atMs - DAY_MS].map((ms) => businessDate(ms, timeZone, 0));
}

const TOLD: Readonly<Record<string, string>> = {
  unmarked: 'a receipt number is on several sales, and sale_exception does not mark all but one of them',
  unfounded: 'sale_exception says of a sale what is not so',
  numbers: 'day_amendment does not number a date without a gap',
  firsts: 'sale_exception marks all sales of a receipt number, also the one that came first',
  untold: 'people were asked about a sale that may be another, and sale_exception does not mark it',
};
const MISSING: ReadonlySet<string> = new Set(['unmarked', 'untold']);

/** Corrections bear the number of what they replace, and are not marked. */
const MARKS: Readonly<Record<string, string>> = {
  unmarked: `
SELECT count(*) AS rows, min(number) AS first FROM (
  SELECT s.receipt_number AS number FROM sale s
  LEFT JOIN sale_exception e ON e.branch_id = s.branch_id AND e.sale_id = s.id AND e.code = 'duplicate-receipt-number'
  WHERE s.branch_id = $1 AND s.id <> ALL ($2::uuid[])
  GROUP BY s.receipt_number HAVING count(*) > 1 AND count(e.sale_id) < count(*) - 1) found`,
  unfounded: `
SELECT count(*) AS rows, min(e.sale_id::text) AS first FROM sale_exception e LEFT JOIN sale s ON s.branch_id = e.branch_id AND s.id = e.sale_id
WHERE e.branch_id = $1 AND $2::uuid[] IS NOT NULL AND NOT coalesce(CASE e.code
  WHEN 'duplicate-receipt-number' THEN e.detail = s.receipt_number AND EXISTS (
    SELECT FROM sale o WHERE o.branch_id = $1 AND o.receipt_number = s.receipt_number AND o.id <> s.id)
  WHEN 'duplicate' THEN s.id IS NOT NULL AND (e.detail ~ '^[0-9a-f-]{36}$' OR EXISTS (
    SELECT FROM sale o WHERE o.branch_id = $1 AND o.id <> s.id AND e.detail = concat('line ', o.seq, ' of ', o.incarnation)))
  ELSE false END, false)`,
  numbers: `
SELECT count(*) AS rows, min(date)::text AS first FROM (
  SELECT business_date AS date FROM day_amendment WHERE branch_id = $1 AND $2::uuid[] IS NOT NULL GROUP BY 1 HAVING max(number) <> count(*) OR min(number) <> 1) found`,
  firsts: `
SELECT count(*) AS rows, min(number) AS first FROM (
  SELECT s.receipt_number AS number FROM sale s
  LEFT JOIN sale_exception e ON e.branch_id = s.branch_id AND e.sale_id = s.id AND e.code = 'duplicate-receipt-number'
  WHERE s.branch_id = $1 AND s.id <> ALL ($2::uuid[])
  GROUP BY s.receipt_number HAVING count(*) > 1 AND count(e.sale_id) = count(*)) found`,
  untold: `
SELECT count(*) AS rows, min(c.key) AS first FROM conflict c
JOIN sale s ON s.branch_id = c.branch_id AND s.id::text = c.key AND s.incarnation = c.second_incarnation AND s.seq = c.second_seq
LEFT JOIN sale_exception e ON e.branch_id = c.branch_id AND e.sale_id = s.id AND e.code = 'duplicate'
WHERE c.branch_id = $1 AND c.type = 'duplicate' AND c.kind = 'sale' AND e.sale_id IS NULL AND $2::uuid[] IS NOT NULL`,
};
