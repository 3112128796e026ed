import type { RebuildParts } from '../store/rebuild.js';
import type { Connection, ReadTx, SqlValue } from '../store/tx.js';
import { checkHeads, checkLines, type WalkState } from './check-lines.js';
import { addFindings, Finder, type Findings } from './findings.js';
import { JOURNAL_TABLES } from './scratch.js';

const NAMED_MAX = 20;
/** What was sold while the rest was walked over; more than a store sells in an hour. */
const TAIL_LINES_MAX = 10_000;
const DAYS_TOLD_MAX = 1_000;

export type RowsToCompare = { scratch: string; state: WalkState };
export type RowsCompared = {
  state: WalkState;
  rows: number;
  days: { businessDate: string; equal: boolean }[];
  findings: Findings;
};

/**
 * The tail of the journal, and then every row that only lines write against what the lines have made anew, in one moment of
 * the file. Only what differs leaves the database.
 */
export const compareRows =
  (parts: RebuildParts) =>
  (tx: ReadTx, { scratch, state: before }: RowsToCompare): RowsCompared => {
    const finder = new Finder();
    const tail = checkLines(parts)(tx, { scratch, state: before, linesMax: TAIL_LINES_MAX });
    addFindings(finder.findings, tail.findings);
    if (tail.more) throw new Error(`more than ${TAIL_LINES_MAX} lines came meanwhile`);
    checkHeads(tx, tail.state, finder);
    attachScratch(tx, scratch);
    let rows = 0;
    for (const table of JOURNAL_TABLES) {
      compareTable(tx, table, finder);
      rows += tx.get<{ rows: number }>(`SELECT count(*) AS rows FROM main.${table}`)?.rows ?? 0;
    }
    return { state: tail.state, rows, days: compareDays(tx, finder), findings: finder.findings };
  };

/** Beside the file, under its own name: SQLite then compares without a row leaving it. */
function attachScratch(tx: ReadTx, file: string): void {
  const { database } = tx as Connection;
  if (!isAttached(database)) database.prepare('ATTACH ? AS scratch').run(file);
}

/** Not within a transaction, and not needed of a connection that ends with the check. */
export function detachScratch({ database }: Connection): void {
  if (isAttached(database)) database.prepare('DETACH scratch').run();
}

function isAttached(database: Connection['database']): boolean {
  return (database.pragma('database_list') as { name: string }[]).some(({ name }) => name === 'scratch');
}

type Column = { name: string; pk: number };
type Row = Record<string, SqlValue>;

function compareTable(tx: ReadTx, table: string, finder: Finder): void {
  const columns = tx.all<Column>(`SELECT name, pk FROM pragma_table_info('${table}') ORDER BY cid`);
  const keys = columns.filter(({ pk }) => pk > 0).map(({ name }) => name);
  const values = columns.filter(({ pk }) => pk === 0).map(({ name }) => name);
  compareKeys(tx, table, keys, finder);
  if (values.length === 0) return;
  const list = (alias: string): string => values.map((name) => `${alias}."${name}"`).join(', ');
  const where = `main.${table} m JOIN scratch.${table} s USING (${keys.join(', ')})
    WHERE (${list('m')}) IS NOT (${list('s')})`;
  const found = tx.all<Row>(
    `SELECT ${keys.map((name) => `m."${name}"`).join(', ')},
      ${values.map((name, at) => `m."${name}" AS m${at}, s."${name}" AS s${at}`).join(', ')} FROM ${where} LIMIT ${NAMED_MAX}`,
  );
  for (const row of found) {
    const at = values.findIndex((_, nth) => shown(row[`m${nth}`]) !== shown(row[`s${nth}`]));
    const told = `${values[at]} is ${shown(row[`m${at}`])}, the journal says ${shown(row[`s${at}`])}`;
    finder.add('altered-row', `${table} ${nameOf(tx, table, keys, row)}: ${told}`);
  }
  countRest(tx, where, found.length, finder);
}

function compareKeys(tx: ReadTx, table: string, keys: readonly string[], finder: Finder): void {
  for (const [what, here, there] of [
    ['missing-row', 'scratch', 'main'],
    ['extra-row', 'main', 'scratch'],
  ] as const) {
    const same = keys.map((key) => `o."${key}" = t."${key}"`).join(' AND ');
    const where = `${here}.${table} t WHERE NOT EXISTS (SELECT 1 FROM ${there}.${table} o WHERE ${same})`;
    const found = tx.all<Row>(`SELECT t.* FROM ${where} LIMIT ${NAMED_MAX}`);
    const why =
      what === 'missing-row' ? 'the journal says it, and it is not there' : 'no line of the journal leads to it';
    for (const row of found) finder.add(what, `${table} ${nameIn(row, keys)}: ${why}`);
    countRest(tx, where, found.length, finder);
  }
}

function countRest(tx: ReadTx, where: string, named: number, finder: Finder): void {
  if (named < NAMED_MAX) return;
  finder.addUnnamed((tx.get<{ rows: number }>(`SELECT count(*) AS rows FROM ${where}`)?.rows ?? named) - named);
}

/** By what people know it by: a sale's number in this file says nothing to them. */
function nameOf(tx: ReadTx, table: string, keys: readonly string[], row: Row): string {
  const no = row['no'];
  if (no === undefined) return nameIn(row, keys);
  return nameIn(tx.get<Row>(`SELECT * FROM scratch.${table} WHERE no = ?`, no) ?? row, keys);
}

function nameIn(row: Row, keys: readonly string[]): string {
  const id = row['id'] === undefined ? '' : ` (${shown(row['id'])})`;
  const ofSale = row['sale_no'] === undefined ? '' : ` of sale ${shown(row['sale_no'])}`;
  return `${keys.map((key) => shown(row[key])).join(' ')}${keys.includes('id') ? '' : id}${ofSale}`;
}

const VALUE_CHARACTERS_MAX = 60;

function shown(value: SqlValue | undefined): string {
  if (value === null || value === undefined) return 'nothing';
  const text = Buffer.isBuffer(value) ? value.toString('hex') : String(value);
  return text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}…` : text;
}

const SUMS = [
  'baskets',
  'lines',
  'units_milli',
  'amount_minor',
  'discount_minor',
  'net_minor',
  'tax_minor',
  'total_minor',
];

type Day = { businessDate: string } & Record<string, SqlValue>;

/** Money, quantity and baskets of each business date, as the rows and as the lines have them: text, for what was tampered with. */
function compareDays(tx: ReadTx, finder: Finder): RowsCompared['days'] {
  const daysOf = (schema: string): Map<string, Day> => {
    const sums = SUMS.slice(1).map((name) => `CAST(sum(${name}) AS TEXT) AS ${name}`);
    const days = tx.all<Day>(
      `SELECT business_date AS businessDate, CAST(count(*) AS TEXT) AS baskets, ${sums.join(', ')} FROM ${schema}.sale GROUP BY 1`,
    );
    return new Map(days.map((day) => [day.businessDate, day]));
  };
  const [rows, journal] = [daysOf('main'), daysOf('scratch')];
  const dates = [...new Set([...rows.keys(), ...journal.keys()])].sort();
  const days = dates.map((businessDate) => {
    const differing = SUMS.find(
      (name) => (rows.get(businessDate)?.[name] ?? '0') !== (journal.get(businessDate)?.[name] ?? '0'),
    );
    if (differing !== undefined) {
      const [is, said] = [rows, journal].map((of) => shown(of.get(businessDate)?.[differing] ?? '0'));
      finder.add('day-sums', `${businessDate}: the sales have ${differing} ${is}, the journal ${said}`);
    }
    return { businessDate, equal: differing === undefined };
  });
  return days.slice(-DAYS_TOLD_MAX);
}
