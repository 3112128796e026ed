import { businessDate } from '@branchline/domain/business-date.js';
import type { Tx } from '../database/unit-of-work.js';
import type { CorrectedWhat, Corrections } from './corrections.js';
import { postingDatesOf } from './said-of-sales.js';
import { ToldOfSales } from './told-of-sales.js';

type Parts = { id: string; timeZone: string; nowMs: number };

/**
 * What is said of sales beside their own rows, made anew as far as it is not what the lines say. To be called once every
 * sale of the branch stands as it should, in the transaction that made the last of them, with the branch held.
 */
export async function rebuildSaid(tx: Tx, branch: Parts, told: ToldOfSales, corrections: Corrections): Promise<void> {
  const work = new SaidRebuild(tx, branch, corrections);
  await work.reversals(told);
  await work.aliases(told);
  await work.amendments(told);
  await work.marks(told);
}

class SaidRebuild {
  constructor(
    private readonly tx: Tx,
    private readonly branch: Parts,
    private readonly corrections: Corrections,
  ) {}

  async reversals({ reversals }: ToldOfSales): Promise<void> {
    const rows = [...reversals].map(([id, sale]) => ({ id, sale }));
    if (ToldOfSales.isAll(reversals)) await this.remove('sale_reversal', REVERSALS_EXTRA, rows);
    await this.write('sale_reversal', REVERSALS_MISSING, rows);
  }

  /** Of several lines that tell one number its row names the first. */
  async aliases({ aliases }: ToldOfSales): Promise<void> {
    const tellers = [...aliases.values()].flatMap(({ number, sale, tellers }) =>
      tellers.map((place) => ({ number, sale, ...place })),
    );
    if (ToldOfSales.isAll(aliases)) await this.remove('sale_alias', ALIASES_EXTRA, tellers);
    const firsts = [...aliases.values()].map(({ number, sale, tellers }) => ({ number, sale, ...tellers[0] }));
    await this.write('sale_alias', ALIASES_MISSING, firsts);
  }

  /** A date's numbers are used up from the first: one that was lost comes back under the number that is free. */
  async amendments({ late }: ToldOfSales): Promise<void> {
    const { tx, branch } = this;
    const { cutOffMinutes } = await tx.one<{ cutOffMinutes: number }>(
      'SELECT cut_off_minutes AS "cutOffMinutes" FROM branch WHERE id = $1',
      [branch.id],
    );
    const rows = [...late.values()].map(({ sale, date, atMs }) => ({
      ...{ sale, date, allowed: postingDatesOf(atMs, branch.timeZone) },
      posted: businessDate(atMs, branch.timeZone, cutOffMinutes),
    }));
    if (ToldOfSales.isAll(late)) await this.remove('day_amendment', AMENDMENTS_EXTRA, rows);
    for (const row of rows) await this.write('day_amendment', AMENDMENTS_MISSING, [row]);
    const renumbered = await tx.executeAsOwner(NUMBERS_WITH_A_GAP, [branch.id]);
    if (renumbered === 0) return;
    await tx.executeAsOwner(NUMBERS_TURNED, [branch.id]);
    this.corrections.add('altered-row', `${renumbered} rows of day_amendment were numbered with a gap`, renumbered);
  }

  async marks({ doubled, corrections }: ToldOfSales): Promise<void> {
    const rows = [...doubled].map(([id, first]) => ({ id, first }));
    await this.remove('sale_exception', MARKS_UNFOUNDED, rows);
    await this.write('sale_exception', MARKS_TOLD, rows);
    await this.write('sale_exception', MARKS_OF_CONFLICTS, []);
    if (!ToldOfSales.isAll(corrections)) return;
    const ids = [...corrections].map((id) => ({ id }));
    await this.remove('sale_exception', MARKS_OF_FIRSTS, ids);
    await this.write('sale_exception', MARKS_OF_NUMBERS, ids);
  }

  private async remove(table: string, sql: string, rows: readonly object[]): Promise<void> {
    const removed = await this.tx.executeAsOwner(sql, [this.branch.id, JSON.stringify(rows)]);
    this.note('extra-row', removed, `of ${table} said what no line says`);
  }

  private async write(table: string, sql: string, rows: readonly object[]): Promise<void> {
    const { tx, branch } = this;
    const written = await tx.execute(sql, [tx.tenantId, branch.id, JSON.stringify(rows), branch.nowMs]);
    this.note('missing-row', written, `of ${table} were not there`);
  }

  private note(what: CorrectedWhat, count: number, told: string): void {
    if (count > 0) this.corrections.add(what, `${count} rows ${told}`, count);
  }
}

const REVERSALS_EXTRA = `
DELETE FROM sale_reversal r WHERE branch_id = $1 AND NOT EXISTS (
  SELECT FROM jsonb_to_recordset($2::jsonb) AS told (id uuid, sale uuid) WHERE told.id = r.reversal_id AND told.sale = r.sale_id)`;

/** Each statement takes the instant, also where it writes none. */
const AT = `$4::bigint IS NOT NULL`;

const REVERSALS_MISSING = `
INSERT INTO sale_reversal (tenant_id, branch_id, sale_id, reversal_id)
SELECT $1, $2, sale, id FROM jsonb_to_recordset($3::jsonb) AS told (id uuid, sale uuid) WHERE ${AT} ON CONFLICT DO NOTHING`;

const ALIASES_EXTRA = `
DELETE FROM sale_alias a WHERE branch_id = $1 AND NOT EXISTS (
  SELECT FROM jsonb_to_recordset($2::jsonb) AS told (number text, sale uuid, incarnation uuid, seq bigint)
  WHERE told.number = a.receipt_number AND told.sale = a.sale_id AND told.incarnation = a.incarnation AND told.seq = a.seq)`;

const ALIASES_MISSING = `
INSERT INTO sale_alias (tenant_id, branch_id, incarnation, receipt_number, sale_id, seq)
SELECT $1, $2, incarnation, number, sale, seq FROM jsonb_to_recordset($3::jsonb) AS told (number text, sale uuid, incarnation uuid, seq bigint)
WHERE ${AT} ON CONFLICT DO NOTHING`;

const AMENDMENTS_EXTRA = `
DELETE FROM day_amendment a WHERE branch_id = $1 AND NOT EXISTS (
  SELECT FROM jsonb_to_recordset($2::jsonb) AS told (sale uuid, date date, allowed jsonb)
  WHERE told.sale = a.sale_id AND told.date = a.business_date AND told.allowed ? a.posting_date::text)`;

const AMENDMENTS_MISSING = `
INSERT INTO day_amendment (tenant_id, branch_id, business_date, number, sale_id, posting_date)
SELECT $1, $2, told.date, (
    SELECT min(free) FROM generate_series(1, 1 + (SELECT count(*) FROM day_amendment n WHERE n.branch_id = $2 AND n.business_date = told.date)) AS free
    WHERE NOT EXISTS (SELECT FROM day_amendment n WHERE n.branch_id = $2 AND n.business_date = told.date AND n.number = free)),
  told.sale, told.posted
FROM jsonb_to_recordset($3::jsonb) AS told (sale uuid, date date, posted date)
WHERE ${AT} AND NOT EXISTS (SELECT FROM day_amendment a WHERE a.branch_id = $2 AND a.sale_id = told.sale)`;

/** To where no number is in the way. */
const NUMBERS_WITH_A_GAP = `
UPDATE day_amendment a SET number = -n.number FROM (
  SELECT sale_id, number AS kept, row_number() OVER (PARTITION BY business_date ORDER BY number) AS number FROM day_amendment WHERE branch_id = $1) n
WHERE a.branch_id = $1 AND a.sale_id = n.sale_id AND n.kept <> n.number`;
const NUMBERS_TURNED = 'UPDATE day_amendment SET number = -number WHERE branch_id = $1 AND number < 0';

const MARKS_UNFOUNDED = `
DELETE FROM sale_exception e WHERE branch_id = $1 AND (
  NOT EXISTS (SELECT FROM sale s WHERE s.branch_id = $1 AND s.id = e.sale_id AND CASE e.code
    WHEN 'duplicate-receipt-number' THEN e.detail = s.receipt_number AND EXISTS (
      SELECT FROM sale o WHERE o.branch_id = $1 AND o.receipt_number = s.receipt_number AND o.id <> s.id)
    WHEN 'duplicate' THEN e.detail ~ '^[0-9a-f-]{36}$' OR EXISTS (
      SELECT FROM sale o WHERE o.branch_id = $1 AND o.id <> s.id AND e.detail = concat('line ', o.seq, ' of ', o.incarnation))
    ELSE false END)
  OR e.code = 'duplicate' AND EXISTS (
    SELECT FROM jsonb_to_recordset($2::jsonb) AS told (id uuid, first text) WHERE told.id = e.sale_id AND told.first <> e.detail))`;

const mark = (code: string, detail: string): string => `
INSERT INTO sale_exception (tenant_id, branch_id, sale_id, code, detail, at)
SELECT $1, $2, told.id, '${code}', ${detail}, to_timestamp($4::bigint / 1000.0)`;

const MARKS_TOLD = `${mark('duplicate', 'told.first')}
FROM jsonb_to_recordset($3::jsonb) AS told (id uuid, first text) ON CONFLICT DO NOTHING`;

/** That a sale resembles the one before it is in no line; people were asked about it. */
const MARKS_OF_CONFLICTS = `${mark('duplicate', `concat('line ', told.first_seq, ' of ', told.first_incarnation)`)}
FROM (
  SELECT s.id, c.first_seq, c.first_incarnation FROM conflict c
  JOIN sale s ON s.branch_id = c.branch_id AND s.id::text = c.key AND s.incarnation = c.second_incarnation AND s.seq = c.second_seq
  WHERE c.branch_id = $2 AND c.type = 'duplicate' AND c.kind = 'sale' AND c.first_seq IS NOT NULL AND $3::jsonb IS NOT NULL) told
ON CONFLICT DO NOTHING`;

/** When it came. */
const CAME = `(SELECT c.received_at FROM journal_chunk c WHERE c.branch_id = s.branch_id AND c.incarnation = s.incarnation AND c.last_seq >= s.seq
  ORDER BY c.last_seq LIMIT 1)`;
const IS_NO_CORRECTION = (ids: string): string =>
  `NOT EXISTS (SELECT FROM jsonb_to_recordset(${ids}::jsonb) AS correction (id uuid) WHERE correction.id = s.id)`;

/** Of a number all of whose sales are marked, that of the one that came first. */
const MARKS_OF_FIRSTS = `
DELETE FROM sale_exception WHERE branch_id = $1 AND code = 'duplicate-receipt-number' AND sale_id IN (
  SELECT DISTINCT ON (s.receipt_number) s.id FROM sale s
  WHERE s.branch_id = $1 AND ${IS_NO_CORRECTION('$2')} AND s.receipt_number IN (
    SELECT s.receipt_number FROM sale s
    LEFT JOIN sale_exception m ON m.branch_id = s.branch_id AND m.sale_id = s.id AND m.code = 'duplicate-receipt-number'
    WHERE s.branch_id = $1 AND ${IS_NO_CORRECTION('$2')} GROUP BY 1 HAVING count(*) > 1 AND count(m.sale_id) = count(*))
  ORDER BY s.receipt_number, ${CAME}, s.seq, s.id)`;

/** Of several sales with one number the one that came first is not marked. */
const MARKS_OF_NUMBERS = `${mark('duplicate-receipt-number', 'told.number')}
FROM (
  SELECT s.id, s.receipt_number AS number, row_number() OVER (PARTITION BY s.receipt_number ORDER BY ${CAME}, s.seq, s.id) AS place
  FROM sale s
  WHERE s.branch_id = $2
    AND s.receipt_number IN (SELECT receipt_number FROM sale WHERE branch_id = $2 GROUP BY receipt_number HAVING count(*) > 1)
    AND ${IS_NO_CORRECTION('$3')}
    AND NOT EXISTS (SELECT FROM sale_exception e WHERE e.branch_id = $2 AND e.sale_id = s.id AND e.code = 'duplicate-receipt-number')) told
WHERE told.place > 1 ON CONFLICT DO NOTHING`;
