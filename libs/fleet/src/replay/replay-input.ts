import { BadInput } from '@branchline/http/exit.js';
import type { BadRow } from '../complete-journey/csv-rows.js';
import { type JourneyProduct, readProducts } from '../complete-journey/read-products.js';
import { type Basket, readSales } from '../complete-journey/read-sales.js';
import { busiestStores } from '../complete-journey/totals.js';

export interface InputRequest {
  productsFile: string;
  salesFile: string;
  /** Which stores: so many of the busiest, all of them, or these. */
  stores: number | 'all' | { ids: string[] };
  skipBad: boolean;
}

export interface ReplayStore {
  id: string;
  /** In time order, as the file says them but for products it does not know. */
  baskets: Basket[];
}

export interface ReplayInput {
  /** Those with most baskets first. */
  stores: ReplayStore[];
  products: JourneyProduct[];
  /** Codes of products that the kept lines name and the file does not have; they are among `products`. */
  unknownProducts: string[];
  /** Sold in fractions by one of these stores. */
  fractional: Set<string>;
}

export interface BadFile {
  file: string;
  rows: BadRow[];
}

/** The rows that spoil an input; nothing of it is used. */
export class BadRows extends BadInput {
  constructor(readonly files: BadFile[]) {
    const count = files.reduce((sum, { rows }) => sum + rows.length, 0);
    super(`${count} bad ${count === 1 ? 'row' : 'rows'}: nothing was replayed`);
  }
}

/**
 * Reads and checks both files to their ends, before anything is started. @param tellBad gets the rows that `skipBad` leaves out
 * @throws BadRows, BadInput
 */
export async function readReplayInput(request: InputRequest, tellBad: (file: BadFile) => void): Promise<ReplayInput> {
  const productsFile = await readProducts(request.productsFile);
  const salesFile = await readSales(request.salesFile);
  const bad = [
    { file: request.productsFile, rows: productsFile.bad },
    { file: request.salesFile, rows: salesFile.bad },
  ].filter(({ rows }) => rows.length > 0);
  if (bad.length > 0 && (!request.skipBad || productsFile.unreadable || salesFile.unreadable)) throw new BadRows(bad);
  for (const file of bad) tellBad(file);
  const ids = chosenStores(salesFile.stores, request.stores);
  const unknown = new Set<string>();
  const stores = ids.map((id) => ({
    id,
    baskets: (salesFile.stores.get(id) ?? []).map((basket) => nameUnknown(basket, productsFile.products, unknown)),
  }));
  if (stores.length === 0) throw new BadInput(`there is no basket in ${request.salesFile}`);
  const unknownProducts = [...unknown].sort();
  return {
    stores,
    products: [...productsFile.products.values(), ...unknownProducts.map(unknownProduct)],
    unknownProducts,
    fractional: fractionalOf(stores),
  };
}

function chosenStores(stores: ReadonlyMap<string, Basket[]>, chosen: InputRequest['stores']): string[] {
  if (typeof chosen === 'number') return busiestStores(stores, chosen);
  const all = busiestStores(stores, stores.size);
  if (chosen === 'all') return all;
  const missing = chosen.ids.filter((id) => !stores.has(id));
  if (missing.length > 0) throw new BadInput(`--store-ids: no baskets of store ${missing.join(', ')}`);
  return all.filter((id) => chosen.ids.includes(id));
}

function nameUnknown(basket: Basket, known: ReadonlyMap<string, unknown>, unknown: Set<string>): Basket {
  if (basket.lines.every(({ product }) => known.has(product))) return basket;
  const lines = basket.lines.map((line) => {
    if (known.has(line.product)) return line;
    const code = `UNKNOWN-${line.product}`;
    unknown.add(code);
    return { ...line, product: code };
  });
  return { ...basket, lines };
}

function unknownProduct(code: string): JourneyProduct {
  return { id: code, name: code, category: null, department: null, brand: null };
}

function fractionalOf(stores: readonly ReplayStore[]): Set<string> {
  const found = new Set<string>();
  for (const { baskets } of stores) {
    for (const { lines } of baskets) {
      for (const { product, quantityMilli } of lines) if (quantityMilli % 1000 !== 0) found.add(product);
    }
  }
  return found;
}
