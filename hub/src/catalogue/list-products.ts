import { text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';

export type CatalogueProduct = {
  product: string;
  name: string;
  department: string | null;
  category: string | null;
  brand: string | null;
  packSize: string | null;
  taxClass: string | null;
  fractional: boolean;
  active: boolean;
  barcodes: string[];
  assortments: string[];
};

/** By code. `search`: a part of the code or the name, or a whole barcode. */
export async function listProducts(
  tx: Tx,
  { search, limit, after }: { search?: string; limit: number; after?: string },
): Promise<Page<CatalogueProduct>> {
  const [afterCode] = after === undefined ? [''] : decodeCursor(z.tuple([text(64)]), after);
  const pattern = search === undefined ? null : `%${search.replaceAll(/[\\%_]/g, '\\$&')}%`;
  const rows = await tx.query<CatalogueProduct>(LIST, [afterCode, pattern, search ?? null, limit + 1]);
  return pageOf(
    rows,
    limit,
    (row) => [row.product],
    (row) => row,
  );
}

const LIST = `
SELECT p.code AS product, p.name, p.department, p.category, p.brand, p.pack_size AS "packSize", p.tax_class AS "taxClass",
       p.fractional, p.active,
       ARRAY (SELECT b.barcode FROM product_barcode b WHERE b.product = p.code ORDER BY b.position) AS barcodes,
       ARRAY (SELECT m.assortment FROM assortment_product m WHERE m.product = p.code ORDER BY m.assortment) AS assortments
  FROM product p
 WHERE p.code > $1
   AND ($2::text IS NULL OR p.code ILIKE $2 OR p.name ILIKE $2
        OR p.code IN (SELECT b.product FROM product_barcode b WHERE b.barcode = $3))
 ORDER BY p.code LIMIT $4`;
