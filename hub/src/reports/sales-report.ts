import { z } from 'zod';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { quantityDecimal } from '@branchline/domain/quantity.js';
import { code } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { branchesOf } from '../branches/find-branch.js';
import type { BranchRow } from '../branches/branch.row.js';
import type { Tx } from '../database/unit-of-work.js';
import { completenessOf, type Completeness } from './completeness.js';
import { DIMENSIONS, DIMENSION_SQL, cubeOf, type Cube, type Dimension } from './dimensions.js';

const BRANCHES_MAX = 2_000;
/** More than a person reads and a spreadsheet takes kindly. */
export const REPORT_ROWS_MAX = 50_000;

const list = <S extends z.ZodType<unknown, string>>(item: S) =>
  z
    .union([z.string(), z.array(z.string())])
    .transform((value) => (Array.isArray(value) ? value : [value]).flatMap((part) => part.split(',')))
    .pipe(z.array(item).min(1).max(BRANCHES_MAX));

/** Common to ISO 8601 and PostgreSQL: one has a year nought, the other none. */
const day = z.iso.date().refine((date) => date >= '0001-01-01', 'expected a day from the year 1 on');

export const salesReportQuery = z
  .strictObject({
    groupBy: list(z.enum(DIMENSIONS)),
    from: day,
    to: day,
    /** Codes, repeated or with commas between; absent: all that the caller may see. */
    branch: list(code).optional(),
  })
  .refine(({ from, to }) => from <= to, { path: ['to'], message: 'is before from' });
export type SalesReportQuery = z.infer<typeof salesReportQuery>;

export type ReportRow = Record<string, string | number | boolean | null>;
export type SalesReport = {
  rows: ReportRow[];
  totals: Record<string, unknown>;
  completeness: Completeness[];
  asOf: string;
  currency: string;
};

/**
 * Sums of sales by any combinable dimensions, out of the rollups, with how far each branch is known. To be run in one
 * snapshot: figures and completeness of an answer belong together.
 *
 * @throws Problem `dimensions-not-combinable`, `mixed-currencies`, `not-found`, `bad-request` for too many rows
 */
export async function salesReport(
  tx: Tx,
  who: PrincipalOf<'person' | 'integration'>,
  query: SalesReportQuery,
  nowMs: number,
): Promise<SalesReport> {
  const dimensions = [...new Set(query.groupBy)];
  const cube = cubeOf(dimensions);
  const branches = chosenBranches(await branchesOf(tx, who, 'report.read'), query.branch);
  const ids = branches.map(({ id }) => id);
  const found = await tx.query<FoundRow>(statement(cube, dimensions), [ids, query.from, query.to, REPORT_ROWS_MAX + 1]);
  if (found.length > REPORT_ROWS_MAX)
    throw problem('bad-request', `More than ${REPORT_ROWS_MAX} rows: ask for fewer days or branches.`);
  return {
    rows: found.map((row) => shownRow(cube, dimensions, row)),
    totals: totalsOf(cube, found),
    completeness: await completenessOf(tx, ids, query),
    asOf: new Date(nowMs).toISOString(),
    currency: await oneCurrency(tx, branches, found),
  };
}

/** What is not theirs is not there. */
function chosenBranches(theirs: readonly BranchRow[], asked: readonly string[] | undefined): BranchRow[] {
  if (asked === undefined) return [...theirs];
  const byCode = new Map(theirs.map((branch) => [branch.code, branch]));
  return [...new Set(asked)].map((wanted) => {
    const branch = byCode.get(wanted);
    if (!branch) throw problem('not-found', `There is no branch ${wanted}.`);
    return branch;
  });
}

const AMOUNTS = ['amountMinor', 'discountMinor', 'netMinor', 'taxMinor', 'totalMinor'] as const;
const COLUMNS_OF_MEASURES = {
  sales: ['baskets', 'lines', 'unitsMilli', ...AMOUNTS],
  tenders: ['baskets', 'amountMinor'],
  modifiers: ['lines', 'amountMinor'],
} as const;

/** A column of sums is text: what a double cannot keep is not lost on the way. */
type FoundRow = Record<string, string | number | boolean | null> & { lowestCurrency: string; highestCurrency: string };

function columnsOf(cube: Cube): string[] {
  return COLUMNS_OF_MEASURES[cube.measures].filter(
    (column) => column !== 'baskets' || cube.hasBaskets || cube.measures !== 'sales',
  );
}

/** Every name in it comes from the tables of this code, never from the request. */
function statement(cube: Cube, dimensions: readonly Dimension[]): string {
  const keys = dimensions.map((dimension) => DIMENSION_SQL[dimension]);
  if (cube.measures === 'modifiers') keys.push('r.informational');
  const names = [...dimensions, ...(cube.measures === 'modifiers' ? ['informational'] : [])];
  const sums = columnsOf(cube).map((column) => `sum(r.${snakeCase(column)})::text AS "${column}"`);
  return `SELECT ${keys.map((key, at) => `${key} AS "${names[at]}"`).join(', ')}, ${sums.join(', ')},
    min(r.currency) AS "lowestCurrency", max(r.currency) AS "highestCurrency"
  FROM ${cube.table} r JOIN branch b ON b.id = r.branch_id
  ${dimensions.includes('category') ? 'LEFT JOIN product p ON p.tenant_id = r.tenant_id AND p.code = r.product' : ''}
  WHERE r.branch_id = ANY ($1::uuid[]) AND r.business_date BETWEEN $2 AND $3
  GROUP BY ${keys.join(', ')} ORDER BY ${keys.join(', ')} LIMIT $4`;
}

/** What JSON could not carry to the unit is refused, not rounded. @throws Problem `bad-request` */
function exact(sum: bigint): number {
  const told = Number(sum);
  if (!Number.isSafeInteger(told)) throw inexact();
  return told;
}

/** Of thousandths; three decimals beside thirteen digits are more than a double tells apart. @throws Problem `bad-request` */
function exactUnits(milli: bigint): number {
  const units = quantityDecimal(exact(milli));
  if (BigInt(units.toFixed(3).replace('.', '')) !== milli) throw inexact();
  return units;
}

function inexact(): Error {
  return problem('bad-request', 'A sum is beyond 2^53 and cannot be told exactly: ask for fewer days or branches.');
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function shownRow(cube: Cube, dimensions: readonly Dimension[], row: FoundRow): ReportRow {
  const keys = Object.fromEntries(dimensions.map((dimension) => [dimension, row[dimension] ?? null]));
  const sums = shownSums(cube, Object.fromEntries(columnsOf(cube).map((column) => [column, sumIn(row, column)])));
  return cube.measures === 'modifiers'
    ? { ...keys, informational: row['informational'] ?? null, ...sums }
    : { ...keys, ...sums };
}

type Sums = Readonly<Record<string, bigint>>;

/** `baskets` is null where a sale is in several rows and adding up would count it twice; units are decimal. */
function shownSums(cube: Cube, sums: Sums): ReportRow {
  const shown: ReportRow = {};
  for (const column of COLUMNS_OF_MEASURES[cube.measures]) {
    const sum = sums[column];
    if (column === 'unitsMilli') shown['units'] = exactUnits(sum ?? 0n);
    else shown[column] = sum === undefined ? null : exact(sum);
  }
  return shown;
}

/** What only informs is no money here: it is told apart and in no total. */
function totalsOf(cube: Cube, rows: readonly FoundRow[]): Record<string, unknown> {
  const counted = rows.filter((row) => row['informational'] !== true);
  const totals = shownSums(cube, sumsOf(cube, counted));
  if (cube.measures !== 'modifiers') return totals;
  const informing = rows.filter((row) => row['informational'] === true);
  return { ...totals, informational: shownSums(cube, sumsOf(cube, informing)) };
}

function sumsOf(cube: Cube, rows: readonly FoundRow[]): Sums {
  const addable = columnsOf(cube).filter((column) => column !== 'baskets' || cube.hasBaskets);
  const sums = addable.map((column) => [column, rows.reduce((sum, row) => sum + sumIn(row, column), 0n)] as const);
  return Object.fromEntries(sums);
}

function sumIn(row: FoundRow, column: string): bigint {
  return BigInt(row[column] as string);
}

/** @throws Problem `mixed-currencies` */
async function oneCurrency(tx: Tx, branches: readonly BranchRow[], rows: readonly FoundRow[]): Promise<string> {
  const currencies = new Set([
    ...branches.map(({ currency }) => currency),
    ...rows.flatMap((row) => [row.lowestCurrency, row.highestCurrency]),
  ]);
  if (currencies.size > 1)
    throw problem(
      'mixed-currencies',
      `The selection has ${[...currencies].sort().join(' and ')}: ask for branches of one currency.`,
    );
  const [only] = currencies;
  return only ?? (await tx.one<{ currency: string }>('SELECT currency FROM tenant')).currency;
}
