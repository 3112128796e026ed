import { localToInstantMs } from '@branchline/domain/business-date.js';
import { createHash } from 'node:crypto';

/** Names of the header, in any order. A column that is left out leaves what is known as it is; an empty cell empties it. */
export const COLUMNS = [
  'product',
  'name',
  'department',
  'category',
  'brand',
  'packSize',
  'barcodes',
  'taxClass',
  'fractional',
  'assortments',
  'priceZone',
  'priceMinor',
  'pricePer',
  'validFrom',
  'active',
] as const;
export type Column = (typeof COLUMNS)[number];

/** One good row, as it is staged. Names are those of the staging table. */
export type ImportRow = {
  line: number;
  product: string;
  name: string | null;
  department: string | null;
  category: string | null;
  brand: string | null;
  pack_size: string | null;
  tax_class: string | null;
  fractional: boolean;
  active: boolean;
  barcodes: string[];
  assortments: string[];
  price_zone: string | null;
  price_minor: number | null;
  per_milli: number | null;
  /** As given, or `-`: from now on. */
  given_from: string | null;
  valid_from: string | null;
};

/** What rows refer to, read once before the first. */
export type Known = {
  zones: ReadonlyMap<string, { timeZone: string }>;
  taxClasses: ReadonlySet<string>;
  assortments: ReadonlySet<string>;
  nowMs: number;
};

/** Why a row cannot be taken, in one line for the person who made the file. */
export class BadRow extends Error {}

const LENGTHS_MAX = { product: 64, name: 200, department: 100, category: 100, brand: 100, packSize: 60 } as const;
const BARCODES_MAX = 50;
const BARCODE_CHARACTERS_MAX = 64;
const ASSORTMENTS_MAX = 10_000;
const PER_MAX = 1_000_000;

export type Cells = Readonly<Partial<Record<Column, string>>>;

/** @throws BadRow with the first reason found */
export function readRow(line: number, cells: Cells, known: Known): ImportRow {
  const product = textOf(cells, 'product');
  if (product === null) throw new BadRow('product is missing');
  const name = textOf(cells, 'name');
  if (name === null && cells.name !== undefined) throw new BadRow('name is missing');
  const taxClass = cells.taxClass?.trim() || null;
  if (taxClass !== null && !known.taxClasses.has(taxClass))
    throw new BadRow(`there is no tax class ${quoted(taxClass)}`);
  return {
    line,
    product,
    name,
    department: textOf(cells, 'department'),
    category: textOf(cells, 'category'),
    brand: textOf(cells, 'brand'),
    pack_size: textOf(cells, 'packSize'),
    tax_class: taxClass,
    fractional: yesOrNo(cells, 'fractional', false),
    active: yesOrNo(cells, 'active', true),
    barcodes: barcodesOf(cells),
    assortments: assortmentsOf(cells, known),
    ...priceOf(cells, known),
  };
}

/** Equal for two rows that say the same of a product, whatever they say of its prices. A hash: one is kept for each product. */
export function productPartOf(row: ImportRow): string {
  const part = { ...row, line: 0, ...NO_PRICE };
  return createHash('sha256').update(JSON.stringify(part)).digest('base64');
}

function textOf(cells: Cells, column: keyof typeof LENGTHS_MAX): string | null {
  const value = cells[column]?.trim() ?? '';
  if (value.length > LENGTHS_MAX[column])
    throw new BadRow(`${column} is longer than ${LENGTHS_MAX[column]} characters`);
  refuseControls(column, value);
  return value === '' ? null : value;
}

function refuseControls(column: Column, value: string): void {
  if (/[\p{Cc}\p{Cs}]/u.test(value)) throw new BadRow(`${column} has control characters`);
}

function yesOrNo(cells: Cells, column: 'fractional' | 'active', otherwise: boolean): boolean {
  const value = cells[column]?.trim().toLowerCase() ?? '';
  if (value === '') return otherwise;
  if (value !== 'yes' && value !== 'no') throw new BadRow(`${column} is ${quoted(value)}, expected yes or no`);
  return value === 'yes';
}

function partsOf(cells: Cells, column: 'barcodes' | 'assortments'): string[] {
  const parts = (cells[column] ?? '').split('|').map((part) => part.trim());
  return [...new Set(parts.filter((part) => part !== ''))];
}

/** A wrong check digit is no reason to refuse: stores print codes of their own, and the scanner reads what is on the pack. */
function barcodesOf(cells: Cells): string[] {
  const barcodes = partsOf(cells, 'barcodes');
  if (barcodes.length > BARCODES_MAX) throw new BadRow(`more than ${BARCODES_MAX} barcodes`);
  for (const barcode of barcodes) {
    refuseControls('barcodes', barcode);
    if (barcode.length > BARCODE_CHARACTERS_MAX)
      throw new BadRow(`a barcode is longer than ${BARCODE_CHARACTERS_MAX} characters`);
  }
  return barcodes;
}

function assortmentsOf(cells: Cells, known: Known): string[] {
  const assortments = partsOf(cells, 'assortments');
  if (assortments.length > ASSORTMENTS_MAX) throw new BadRow(`more than ${ASSORTMENTS_MAX} assortments`);
  const unknown = assortments.find((assortment) => !known.assortments.has(assortment));
  if (unknown !== undefined) throw new BadRow(`there is no assortment ${quoted(unknown)}`);
  return assortments;
}

type PricePart = Pick<ImportRow, 'price_zone' | 'price_minor' | 'per_milli' | 'given_from' | 'valid_from'>;
const NO_PRICE: PricePart = {
  price_zone: null,
  price_minor: null,
  per_milli: null,
  given_from: null,
  valid_from: null,
};

function priceOf(cells: Cells, known: Known): PricePart {
  const [zoneCode, minor, per, from] = (['priceZone', 'priceMinor', 'pricePer', 'validFrom'] as const).map(
    (column) => cells[column]?.trim() ?? '',
  );
  if (!minor) {
    // A zone without a price is how a product is listed that has none yet; a date or "per" of no price is a mistake.
    if (from || per) throw new BadRow('priceMinor is missing');
    return NO_PRICE;
  }
  if (!zoneCode) throw new BadRow('priceZone is missing');
  const zone = known.zones.get(zoneCode);
  if (!zone) throw new BadRow(`there is no price zone ${quoted(zoneCode)}`);
  if (!/^\d{1,15}$/.test(minor))
    throw new BadRow(`priceMinor is ${quoted(minor)}, expected a whole number of minor units`);
  return {
    price_zone: zoneCode,
    price_minor: Number(minor),
    per_milli: perMilliOf(per || '1'),
    given_from: from || '-',
    valid_from: new Date(from ? validFromMs(from, zone.timeZone) : known.nowMs).toISOString(),
  };
}

function perMilliOf(per: string): number {
  const match = /^(\d{1,7})(?:\.(\d{1,3}))?$/.exec(per);
  const perMilli = match ? Number(match[1]) * 1000 + Number((match[2] ?? '').padEnd(3, '0')) : 0;
  if (perMilli <= 0 || perMilli > PER_MAX * 1000)
    throw new BadRow(`pricePer is ${quoted(per)}, expected a number above 0 with at most three decimals`);
  return perMilli;
}

function validFromMs(from: string, timeZone: string): number {
  const instantMs = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/.test(from) ? localToInstantMs(`${from}:00`, timeZone) : null;
  if (instantMs === null) throw new BadRow(`validFrom is ${quoted(from)}, expected YYYY-MM-DD HH:mm`);
  return instantMs;
}

function quoted(value: string): string {
  return JSON.stringify(value.slice(0, 40));
}
