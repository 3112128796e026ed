import { localToInstantMs } from '@branchline/domain/business-date.js';
import { asBadRow, type BadRow, columnIndexes, readCsvRows, wrongHeader } from './csv-rows.js';
import type { BasketLine } from './journey.js';
import type { BasketHead, JourneyIndex } from './journey-index.js';
import { hasMoreDecimalsThan, parseDecimal, roundHalfUp, wholeNumberText } from './decimal.js';

/** The stores of this data set keep one time. */
export const STORE_TIME_ZONE = 'America/New_York';

export interface SalesFile {
  bad: BadRow[];
  /** From the last bad row on nothing could be read: there is nothing that could be skipped. */
  unreadable: boolean;
}

export const SALES_COLUMNS = [
  'household_id',
  'store_id',
  'basket_id',
  'product_id',
  'quantity',
  'sales_value',
  'retail_disc',
  'coupon_disc',
  'coupon_match_disc',
  'week',
  'transaction_timestamp',
] as const;
type Column = (typeof SALES_COLUMNS)[number];

interface Row extends BasketLine {
  store: string;
  household: string;
  basket: string;
  occurredAtMs: number;
}

/** Ids become parts of codes; a longer one could not be told from another any more. */
const STORE_DIGITS_MAX = 11;
const AMOUNT_MINOR_MAX = 1_000_000_000_000;
const QUANTITY_MILLI_MAX = 1_000_000_000_000;

/** Reads and checks the whole file into the index. @throws BadInput when it cannot be read at all. */
export async function readSales(file: string, index: JourneyIndex): Promise<SalesFile> {
  const bad: BadRow[] = [];
  let at: Record<Column, number> | null = null;
  try {
    for await (const { line, cells } of readCsvRows(file)) {
      if (at === null) {
        at = columnIndexes(cells, SALES_COLUMNS);
        if (at === null) return { bad: [wrongHeader(cells, SALES_COLUMNS)], unreadable: true };
      } else {
        const reason = gather(index, line, cells, at);
        if (reason !== null) bad.push({ line, reason });
      }
    }
  } catch (error) {
    const broken = asBadRow(error);
    if (broken === null) throw error;
    return { bad: [...bad, broken], unreadable: true };
  }
  if (at === null) return { bad: [{ line: 1, reason: 'the file is empty' }], unreadable: true };
  return { bad, unreadable: false };
}

/** @returns why it is bad */
function gather(index: JourneyIndex, line: number, cells: string[], at: Record<Column, number>): string | null {
  const row = readRow(cells, at);
  const known = typeof row === 'string' ? undefined : index.basket(row.basket);
  const reason = typeof row === 'string' ? row : known ? otherBasket(known, row) : null;
  if (reason !== null || typeof row === 'string') {
    const basket = wholeNumberText(cells[at.basket_id] ?? '');
    if (basket !== null) index.spoil(basket);
    return reason;
  }
  const { store, household, basket, occurredAtMs, ...rest } = row;
  if (!known) index.addBasket({ store, household, basket, occurredAtMs, line });
  // A quantity of 0 that is worth nothing is dropped whatever its discounts; what it says about its basket has been checked.
  if (rest.quantityMilli > 0) index.addLine(basket, rest);
  return null;
}

function readRow(cells: string[], at: Record<Column, number>): Row | string {
  if (cells.length !== SALES_COLUMNS.length) return `wrong columns: ${cells.length} instead of ${SALES_COLUMNS.length}`;
  const problems: string[] = [];
  const id = (column: Column): string => {
    const text = cells[at[column]] ?? '';
    const whole = wholeNumberText(text);
    if (whole === null) problems.push(notANumber(column, text, 'a whole number'));
    return whole ?? '';
  };
  const amount = (column: Column, places: number, max: number): number => {
    const text = cells[at[column]] ?? '';
    const decimal = parseDecimal(text);
    const units = decimal && !decimal.negative ? roundHalfUp(decimal, places) : null;
    if (units === null && !(decimal && !decimal.negative)) problems.push(notANumber(column, text, 'a number'));
    else if (units === null || units > max) problems.push(`${column} is too large: ${quoted(text)}`);
    else if (column === 'quantity' && decimal && hasMoreDecimalsThan(decimal, places)) {
      problems.push(`quantity has more than ${places} decimals: ${quoted(text)}`);
    }
    return units ?? 0;
  };
  const row: Row = {
    household: id('household_id'),
    store: id('store_id'),
    basket: id('basket_id'),
    product: id('product_id'),
    quantityMilli: amount('quantity', 3, QUANTITY_MILLI_MAX),
    netMinor: amount('sales_value', 2, AMOUNT_MINOR_MAX),
    retailDiscMinor: amount('retail_disc', 2, AMOUNT_MINOR_MAX),
    couponDiscMinor: amount('coupon_disc', 2, AMOUNT_MINOR_MAX),
    couponMatchMinor: amount('coupon_match_disc', 2, AMOUNT_MINOR_MAX),
    occurredAtMs: 0,
  };
  amount('week', 0, AMOUNT_MINOR_MAX);
  const time = cells[at.transaction_timestamp] ?? '';
  const instantMs = localToInstantMs(time.replace(/^(\S{10})T/, '$1 '), STORE_TIME_ZONE);
  if (instantMs === null) problems.push(`transaction_timestamp is not a time: ${quoted(time)}`);
  if (row.store.length > STORE_DIGITS_MAX) problems.push(`store_id is too long: ${quoted(row.store)}`);
  if (problems.length === 0 && row.quantityMilli === 0 && row.netMinor > 0) {
    problems.push(`quantity 0 with sales_value ${cells[at.sales_value]}`);
  }
  return problems[0] ?? { ...row, occurredAtMs: instantMs ?? 0 };
}

function notANumber(column: Column, text: string, what: string): string {
  return parseDecimal(text)?.negative
    ? `${column} is negative: ${quoted(text)}`
    : `${column} is not ${what}: ${quoted(text)}`;
}

function otherBasket(basket: BasketHead, row: Row): string | null {
  if (basket.store !== row.store) return `basket ${row.basket} has two stores: ${basket.store} and ${row.store}`;
  if (basket.household !== row.household) {
    return `basket ${row.basket} has two households: ${basket.household} and ${row.household}`;
  }
  return basket.occurredAtMs === row.occurredAtMs ? null : `basket ${row.basket} has two times`;
}

/** What stands in a cell may be anything: one short line for the terminal. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
