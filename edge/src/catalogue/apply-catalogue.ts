import { feedBody, feedTable, restOf, withRest, type FeedApplier } from '../feed-record.js';
import type { ReadTx } from '../store/tx.js';

const UPSERT_PRODUCT = `
  INSERT INTO feed_product (
    code, take, version, name, category, department, brand, pack_size, tax_class, fractional, active, rest)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (code, take) DO UPDATE SET version = excluded.version, name = excluded.name,
    category = excluded.category, department = excluded.department, brand = excluded.brand,
    pack_size = excluded.pack_size, tax_class = excluded.tax_class, fractional = excluded.fractional,
    active = excluded.active, rest = excluded.rest
  WHERE excluded.version > feed_product.version`;

const PRODUCT_COLUMNS = [
  ...['code', 'name', 'category', 'department', 'brand', 'packSize', 'taxClass', 'fractional', 'barcodes', 'active'],
];

const applyProduct: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    const sql = 'DELETE FROM feed_product WHERE code = ? AND take = ? AND version < ?';
    if (tx.run(sql, key, take, version).changes > 0) dropBarcodes();
    return;
  }
  const body = feedBody('product', record);
  const { changes } = tx.run(
    UPSERT_PRODUCT,
    body.code,
    take,
    version,
    body.name,
    body.category,
    body.department,
    body.brand,
    body.packSize,
    body.taxClass,
    body.fractional ? 1 : 0,
    body.active ? 1 : 0,
    restOf(body, PRODUCT_COLUMNS),
  );
  if (changes === 0) return;
  dropBarcodes();
  for (const [position, barcode] of body.barcodes.entries()) {
    tx.run(
      'INSERT INTO feed_barcode (product, take, position, barcode) VALUES (?, ?, ?, ?)',
      body.code,
      take,
      position,
      barcode,
    );
  }

  function dropBarcodes(): void {
    tx.run('DELETE FROM feed_barcode WHERE product = ? AND take = ?', key, take);
  }
};

type ProductRow = {
  code: string;
  take: number;
  name: string;
  category: string | null;
  department: string | null;
  brand: string | null;
  pack_size: string | null;
  tax_class: string | null;
  fractional: number;
  active: number;
  rest: string | null;
};

function productBody(row: ProductRow, tx: ReadTx): Record<string, unknown> {
  const { code, take, name, category, department, brand } = row;
  const barcodes = tx
    .all<{ barcode: string }>(
      'SELECT barcode FROM feed_barcode WHERE product = ? AND take = ? ORDER BY position',
      code,
      take,
    )
    .map(({ barcode }) => barcode);
  const body = {
    ...{ code, name, category, department, brand, packSize: row.pack_size, taxClass: row.tax_class },
    ...{ fractional: row.fractional === 1, barcodes, active: row.active === 1 },
  };
  return withRest(body, row.rest);
}

/** A record's key is its product's code: rows and records are found by one name. */
export const PRODUCTS = feedTable<ProductRow>(
  { table: 'feed_product', key: 'code', also: [{ table: 'feed_barcode', key: 'product' }] },
  applyProduct,
  productBody,
);

const UPSERT_PRICE = `
  INSERT INTO feed_price (key, take, version, product, minor, per, currency, valid_from, valid_to, rest)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (key, take) DO UPDATE SET version = excluded.version, product = excluded.product, minor = excluded.minor,
    per = excluded.per, currency = excluded.currency, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
    rest = excluded.rest
  WHERE excluded.version > feed_price.version`;

const PRICE_COLUMNS = ['product', 'currency', 'validFrom', 'validTo'];

const applyPrice: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_price WHERE key = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('price', record);
  const { product, price, currency, validFrom, validTo } = body;
  const { minor, per, ...more } = price;
  const beyond = Object.keys(more).length === 0 ? body : { ...body, price: more };
  const columns = beyond === body ? [...PRICE_COLUMNS, 'price'] : PRICE_COLUMNS;
  tx.run(UPSERT_PRICE, key, take, version, product, minor, per, currency, validFrom, validTo, restOf(beyond, columns));
};

type PriceRow = {
  product: string;
  minor: number;
  per: number;
  currency: string;
  valid_from: number;
  valid_to: number | null;
  rest: string | null;
};

export const PRICES = feedTable<PriceRow>({ table: 'feed_price', key: 'key' }, applyPrice, (row) => {
  const { product, minor, per, currency } = row;
  const rest = withRest({}, row.rest);
  const price = { minor, per, ...(rest['price'] as object | undefined) };
  return { ...rest, product, price, currency, validFrom: row.valid_from, validTo: row.valid_to };
});

const UPSERT_TAX_CLASS = `
  INSERT INTO feed_tax_class (code, take, version, components, rest) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (code, take) DO UPDATE SET version = excluded.version, components = excluded.components, rest = excluded.rest
  WHERE excluded.version > feed_tax_class.version`;

const applyTaxClass: FeedApplier = (tx, record) => {
  const { take, key, version } = record;
  if (record.deleted) {
    tx.run('DELETE FROM feed_tax_class WHERE code = ? AND take = ? AND version < ?', key, take, version);
    return;
  }
  const body = feedBody('tax-class', record);
  const rest = restOf(body, ['code', 'components']);
  tx.run(UPSERT_TAX_CLASS, body.code, take, version, JSON.stringify(body.components), rest);
};

export const TAX_CLASSES = feedTable<{ code: string; components: string; rest: string | null }>(
  { table: 'feed_tax_class', key: 'code' },
  applyTaxClass,
  ({ code, components, rest }) => withRest({ code, components: JSON.parse(components) as unknown }, rest),
);
