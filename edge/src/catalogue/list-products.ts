import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { ReadTx } from '../store/tx.js';
import { branchSettings } from '../tills/branch-settings.js';
import { offerOf } from './offer.js';

export const productsQuery = z.strictObject({
  ...pageQuery,
  /** Part of a name or the beginning of a code. */
  search: text(100).optional(),
  barcode: text(64).optional(),
  category: text(100).optional(),
});
export type ProductsQuery = z.output<typeof productsQuery>;

export type ProductsRead = { query: ProductsQuery; nowMs: number };

export type ProductItem = {
  product: string;
  name: string;
  category: string | null;
  department: string | null;
  brand: string | null;
  packSize: string | null;
  fractional: boolean;
  active: boolean;
  barcodes: string[];
  /** What it costs now; null: no price, so it cannot be sold. */
  price: { minor: number; per: number; currency: string } | null;
};

type Row = Omit<ProductItem, 'fractional' | 'active' | 'barcodes' | 'price'>;

const SELECT = `
  SELECT p.code AS product, p.name, p.category, p.department, p.brand, p.pack_size AS packSize FROM product p`;

const cursorSchema = z.tuple([z.string().max(64)]);

/**
 * `GET /v1/products`, with the price at `nowMs`. In the order of the code, which is the key, so a page stops as soon as
 * it is full; a search for part of a name looks at each product until then (100,000 names: some 20 ms at worst).
 */
export function listProducts(tx: ReadTx, { query, nowMs }: ProductsRead): Page<ProductItem> {
  const { limit } = query;
  const [after] = query.after === undefined ? [''] : decodeCursor(cursorSchema, query.after);
  const { defaultTaxClass } = branchSettings(tx);
  return pageOf(
    matchingRows(tx, query, after),
    limit,
    (row) => [row.product],
    (row) => productItem(tx, row, nowMs, defaultTaxClass),
  );
}

/** One text for each set of filters: eight, so the cache of statements stays bounded. */
function matchingRows(tx: ReadTx, { search, barcode, category, limit }: ProductsQuery, after: string): Row[] {
  const conditions = ['p.code > ?'];
  const parameters: string[] = [after];
  if (search !== undefined) {
    const pattern = search.replaceAll(/[\\%_]/g, '\\$&');
    conditions.push(`(p.name LIKE ? ESCAPE '\\' OR p.code LIKE ? ESCAPE '\\')`);
    parameters.push(`%${pattern}%`, `${pattern}%`);
  }
  if (category !== undefined) {
    conditions.push('p.category = ?');
    parameters.push(category);
  }
  if (barcode !== undefined) {
    conditions.push('p.code IN (SELECT product FROM barcode WHERE barcode = ?)');
    parameters.push(barcode);
  }
  return tx.all<Row>(`${SELECT} WHERE ${conditions.join(' AND ')} ORDER BY p.code LIMIT ?`, ...parameters, limit + 1);
}

function productItem(tx: ReadTx, row: Row, nowMs: number, defaultTaxClass: string | null): ProductItem {
  const offer = offerOf(tx, row.product, nowMs, defaultTaxClass);
  const barcodes = tx
    .all<{ barcode: string }>('SELECT DISTINCT barcode FROM barcode WHERE product = ? ORDER BY barcode', row.product)
    .map(({ barcode }) => barcode);
  const price = offer?.price ?? null;
  return {
    ...row,
    fractional: offer?.fractional === true,
    active: offer?.active === true,
    barcodes,
    price: price && { minor: price.minor, per: price.per, currency: price.currency },
  };
}
