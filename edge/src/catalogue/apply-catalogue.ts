import { feedBody, type FeedApplier } from '../feed-record.js';

const UPSERT_PRODUCT = `
  INSERT INTO product (code, name, category, department, brand, pack_size, tax_class, fractional, active, version)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (code) DO UPDATE SET name = excluded.name, category = excluded.category, department = excluded.department,
    brand = excluded.brand, pack_size = excluded.pack_size, tax_class = excluded.tax_class,
    fractional = excluded.fractional, active = excluded.active, version = excluded.version
  WHERE excluded.version > product.version`;

export const applyProduct: FeedApplier = (tx, record) => {
  if (record.deleted) {
    const { changes } = tx.run('DELETE FROM product WHERE code = ? AND version < ?', record.key, record.version);
    if (changes > 0) tx.run('DELETE FROM barcode WHERE product = ?', record.key);
    return;
  }
  const body = feedBody('product', record);
  const { changes } = tx.run(
    UPSERT_PRODUCT,
    body.code,
    body.name,
    body.category,
    body.department,
    body.brand,
    body.packSize,
    body.taxClass,
    body.fractional ? 1 : 0,
    body.active ? 1 : 0,
    record.version,
  );
  if (changes === 0) return;
  tx.run('DELETE FROM barcode WHERE product = ?', body.code);
  for (const barcode of new Set(body.barcodes)) {
    tx.run('INSERT INTO barcode (barcode, product) VALUES (?, ?)', barcode, body.code);
  }
};

const UPSERT_PRICE = `
  INSERT INTO price (key, product, minor, per, currency, valid_from, valid_to, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET product = excluded.product, minor = excluded.minor, per = excluded.per,
    currency = excluded.currency, valid_from = excluded.valid_from, valid_to = excluded.valid_to,
    version = excluded.version
  WHERE excluded.version > price.version`;

export const applyPrice: FeedApplier = (tx, record) => {
  if (record.deleted) {
    tx.run('DELETE FROM price WHERE key = ? AND version < ?', record.key, record.version);
    return;
  }
  const { product, price, currency, validFrom, validTo } = feedBody('price', record);
  tx.run(UPSERT_PRICE, record.key, product, price.minor, price.per, currency, validFrom, validTo, record.version);
};

const UPSERT_TAX_CLASS = `
  INSERT INTO tax_class (code, components, version) VALUES (?, ?, ?)
  ON CONFLICT (code) DO UPDATE SET components = excluded.components, version = excluded.version
  WHERE excluded.version > tax_class.version`;

export const applyTaxClass: FeedApplier = (tx, record) => {
  if (record.deleted) {
    tx.run('DELETE FROM tax_class WHERE code = ? AND version < ?', record.key, record.version);
    return;
  }
  const { code, components } = feedBody('tax-class', record);
  const kept = components.map((component) => ({ code: component.code, ratePpm: component.ratePpm }));
  tx.run(UPSERT_TAX_CLASS, code, JSON.stringify(kept), record.version);
};
