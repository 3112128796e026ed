import type { ReplayInput } from './replay-input.js';

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

export function importCsv(rows: Iterable<ImportRow>): string {
  const lines: string[] = [IMPORT_COLUMNS.join(',')];
  for (const row of rows) lines.push(IMPORT_COLUMNS.map((column) => cell(row[column] ?? '')).join(','));
  return `${lines.join('\n')}\n`;
}

/** All products of the file; each is carried by the stores that sell it. Prices are the till's here, so none are imported. */
export function* journeyRows(input: ReplayInput, branchOf: (store: string) => string): Generator<ImportRow> {
  const carriedBy = assortmentsOf(input, branchOf);
  for (const { id, name, department, category, brand } of input.products) {
    yield {
      product: id,
      name,
      department: department ?? '',
      category: category ?? '',
      brand: brand ?? '',
      fractional: input.fractional.has(id) ? 'yes' : 'no',
      assortments: [...(carriedBy.get(id) ?? [])].join('|'),
      active: 'yes',
    };
  }
}

function assortmentsOf({ stores }: ReplayInput, branchOf: (store: string) => string): Map<string, Set<string>> {
  const carriedBy = new Map<string, Set<string>>();
  for (const { id, baskets } of stores) {
    for (const { product } of baskets.flatMap(({ lines }) => lines)) {
      const branches = carriedBy.get(product) ?? new Set();
      carriedBy.set(product, branches.add(branchOf(id)));
    }
  }
  return carriedBy;
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
