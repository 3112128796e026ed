import type { CarriedProduct } from '../complete-journey/journey-index.js';

/** The columns of the hub's product import. */
export const IMPORT_COLUMNS = [
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
export type ImportRow = Partial<Record<(typeof IMPORT_COLUMNS)[number], string>>;

/** A piece for the line at a time: one of 90,000 rows would be 90,000 writes. */
const PIECE_CHARACTERS = 65_536;

/** The file in pieces of many rows. */
export function* importCsv(rows: Iterable<ImportRow>): Generator<string> {
  let piece = `${IMPORT_COLUMNS.join(',')}\n`;
  for (const row of rows) {
    piece += `${IMPORT_COLUMNS.map((column) => cell(row[column] ?? '')).join(',')}\n`;
    if (piece.length < PIECE_CHARACTERS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** All products of the file; each is carried by the stores that sell it. Prices are the till's here, so none are imported. */
export function* journeyRows(
  products: Iterable<CarriedProduct>,
  branchOf: (store: string) => string,
): Generator<ImportRow> {
  for (const { id, name, department, category, brand, fractional, stores } of products) {
    yield {
      product: id,
      name,
      department: department ?? '',
      category: category ?? '',
      brand: brand ?? '',
      fractional: fractional ? 'yes' : 'no',
      assortments: stores.map(branchOf).join('|'),
      active: 'yes',
    };
  }
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
