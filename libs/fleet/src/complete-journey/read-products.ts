import { asBadRow, type BadRow, columnIndexes, readCsvRows, wrongHeader } from './csv-rows.js';
import { wholeNumberText } from './decimal.js';
import type { JourneyProduct } from './journey.js';
import type { JourneyIndex } from './journey-index.js';

export interface ProductsFile {
  bad: BadRow[];
  unreadable: boolean;
}

export const PRODUCT_COLUMNS = [
  'product_id',
  'manufacturer_id',
  'department',
  'brand',
  'product_category',
  'product_type',
  'package_size',
] as const;

const NAME_LENGTH_MAX = 200;

/** Reads and checks the whole file into the index, but for bad rows. @throws BadInput when it cannot be read at all. */
export async function readProducts(file: string, index: JourneyIndex): Promise<ProductsFile> {
  const bad: BadRow[] = [];
  let at: ReturnType<typeof columnIndexes<(typeof PRODUCT_COLUMNS)[number]>> = null;
  try {
    for await (const { line, cells } of readCsvRows(file)) {
      if (at === null) {
        at = columnIndexes(cells, PRODUCT_COLUMNS);
        if (at === null) return { bad: [wrongHeader(cells, PRODUCT_COLUMNS)], unreadable: true };
        continue;
      }
      if (cells.length !== PRODUCT_COLUMNS.length) {
        bad.push({ line, reason: `wrong columns: ${cells.length} instead of ${PRODUCT_COLUMNS.length}` });
        continue;
      }
      const cell = (column: (typeof PRODUCT_COLUMNS)[number]) => known(cells[at?.[column] ?? -1]);
      const id = wholeNumberText(cell('product_id') ?? '');
      if (id === null)
        bad.push({ line, reason: `product_id is not a whole number: ${JSON.stringify(cell('product_id') ?? '')}` });
      else if (!index.addProduct(productOf(id, cell))) bad.push({ line, reason: `product ${id} is there twice` });
    }
  } catch (error) {
    const broken = asBadRow(error);
    if (broken === null) throw error;
    return { bad: [...bad, broken], unreadable: true };
  }
  if (at === null) return { bad: [{ line: 1, reason: 'the file is empty' }], unreadable: true };
  return { bad, unreadable: false };
}

function productOf(id: string, cell: (column: (typeof PRODUCT_COLUMNS)[number]) => string | null): JourneyProduct {
  const department = cell('department');
  const category = cell('product_category');
  const finest = cell('product_type') ?? category ?? department ?? `Product ${id}`;
  const name = [finest, cell('package_size')].filter(Boolean).join(' ').slice(0, NAME_LENGTH_MAX);
  return { id, name, category, department, brand: cell('brand') };
}

/** `NA` is how R writes what is missing. */
function known(cell: string | undefined): string | null {
  return cell === undefined || cell === '' || cell === 'NA' ? null : cell;
}
