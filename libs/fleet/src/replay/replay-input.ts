import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { BadInput } from '@branchline/http/exit.js';
import type { BadRow } from '../complete-journey/csv-rows.js';
import type { Basket } from '../complete-journey/journey.js';
import { type CarriedProduct, JourneyIndex } from '../complete-journey/journey-index.js';
import { readProducts } from '../complete-journey/read-products.js';
import { readSales } from '../complete-journey/read-sales.js';
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
  basketCount: number;
}

/** What is replayed. The data themselves stay on disk; of the baskets one store's are in memory at a time. */
export interface ReplayInput {
  /** Those with most baskets first. */
  stores: ReplayStore[];
  productCount: number;
  /** Codes of products that the kept lines name and the file does not have; they are among the products. */
  unknownProducts: string[];
  /** Of the files as they are: a replay that is resumed must be of the same. */
  hashes: { products: string; sales: string };
  products(): Iterable<CarriedProduct>;
  /** In time order, as the file says them but for products it does not know. */
  basketsOf(store: string): Basket[];
  close(): void;
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
  const index = new JourneyIndex();
  try {
    return await readInto(index, request, tellBad);
  } catch (error) {
    index.close();
    throw error;
  }
}

async function readInto(
  index: JourneyIndex,
  { productsFile, salesFile, stores: wanted, skipBad }: InputRequest,
  tellBad: (file: BadFile) => void,
): Promise<ReplayInput> {
  const products = await readProducts(productsFile, index);
  const sales = await readSales(salesFile, index);
  const bad = [
    { file: productsFile, rows: products.bad },
    { file: salesFile, rows: sales.bad },
  ].filter(({ rows }) => rows.length > 0);
  if (bad.length > 0 && (!skipBad || products.unreadable || sales.unreadable)) throw new BadRows(bad);
  for (const file of bad) tellBad(file);
  const sizes = index.settle();
  const ids = chosenStores(sizes, wanted);
  if (ids.length === 0) throw new BadInput(`there is no basket in ${salesFile}`);
  const unknownProducts = index.choose(ids);
  return {
    stores: ids.map((id) => ({ id, basketCount: sizes.get(id) ?? 0 })),
    productCount: index.productCount,
    unknownProducts,
    hashes: { products: await hashOf(productsFile), sales: await hashOf(salesFile) },
    products: () => index.products(),
    basketsOf: (store) => index.basketsOf(store),
    close: () => index.close(),
  };
}

function chosenStores(sizes: ReadonlyMap<string, number>, chosen: InputRequest['stores']): string[] {
  if (typeof chosen === 'number') return busiestStores(sizes, chosen);
  const all = busiestStores(sizes, sizes.size);
  if (chosen === 'all') return all;
  const missing = chosen.ids.filter((id) => !sizes.has(id));
  if (missing.length > 0) throw new BadInput(`--store-ids: no baskets of store ${missing.join(', ')}`);
  return all.filter((id) => chosen.ids.includes(id));
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
