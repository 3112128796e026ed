/** The statements of a product import, in their order. Temporary tables live as long as the transaction. */

export const STAGING_TABLE = `
CREATE TEMPORARY TABLE import_row (
  line integer PRIMARY KEY, product text NOT NULL, name text, department text, category text, brand text, pack_size text,
  tax_class text, fractional boolean NOT NULL, active boolean NOT NULL, barcodes text[] NOT NULL, assortments text[] NOT NULL,
  price_zone text, price_minor bigint, per_milli bigint, given_from text, valid_from timestamptz
) ON COMMIT DROP`;

export const STAGE_ROWS = `
INSERT INTO import_row
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (
  line integer, product text, name text, department text, category text, brand text, pack_size text, tax_class text,
  fractional boolean, active boolean, barcodes text[], assortments text[], price_zone text, price_minor bigint, per_milli bigint,
  given_from text, valid_from timestamptz)`;

/** Sets of 90,000 rows are joined and sorted in memory rather than on disk. */
export const MORE_MEMORY = `SELECT set_config('work_mem', '64MB', true)`;

/** A product that is new needs a name; a file without that column can only speak of known ones. */
export const TAKE_OUT_NAMELESS = `
DELETE FROM import_row r WHERE r.name IS NULL AND NOT EXISTS (SELECT FROM product p WHERE p.code = r.product) RETURNING r.line, r.product`;

/**
 * Each product once, as it will be. $1 are the columns that the file has: what it does not have stays. A product's own barcodes are
 * compared in their order, since the first is the one printed on labels.
 */
export const DECIDE_PRODUCTS = `
CREATE TEMPORARY TABLE import_product ON COMMIT DROP AS
WITH wanted AS (SELECT DISTINCT ON (product) * FROM import_row ORDER BY product, line),
held AS (SELECT b.product, array_agg(b.barcode ORDER BY b.position) AS barcodes FROM product_barcode b GROUP BY b.product),
merged AS (
  SELECT w.product, p.code IS NULL AS is_new,
         coalesce(w.name, p.name) AS name,
         CASE WHEN 'department' = ANY ($1::text[]) THEN w.department ELSE p.department END AS department,
         CASE WHEN 'category' = ANY ($1::text[]) THEN w.category ELSE p.category END AS category,
         CASE WHEN 'brand' = ANY ($1::text[]) THEN w.brand ELSE p.brand END AS brand,
         CASE WHEN 'packSize' = ANY ($1::text[]) THEN w.pack_size ELSE p.pack_size END AS pack_size,
         CASE WHEN 'taxClass' = ANY ($1::text[]) THEN w.tax_class ELSE p.tax_class END AS tax_class,
         CASE WHEN 'fractional' = ANY ($1::text[]) OR p.code IS NULL THEN w.fractional ELSE p.fractional END AS fractional,
         CASE WHEN 'active' = ANY ($1::text[]) OR p.code IS NULL THEN w.active ELSE p.active END AS active,
         CASE WHEN 'barcodes' = ANY ($1::text[]) THEN w.barcodes ELSE coalesce(h.barcodes, '{}') END AS barcodes,
         coalesce(h.barcodes, '{}') AS held_barcodes
    FROM wanted w LEFT JOIN product p ON p.code = w.product LEFT JOIN held h ON h.product = w.product)
SELECT m.*,
       jsonb_build_object('code', m.product, 'name', m.name, 'category', m.category, 'department', m.department, 'brand', m.brand,
         'packSize', m.pack_size, 'taxClass', m.tax_class, 'fractional', m.fractional, 'barcodes', to_jsonb(m.barcodes),
         'active', m.active) AS body,
       m.is_new OR m.barcodes <> m.held_barcodes
       OR (m.name, m.department, m.category, m.brand, m.pack_size, m.tax_class, m.fractional, m.active)
          IS DISTINCT FROM (p.name, p.department, p.category, p.brand, p.pack_size, p.tax_class, p.fractional, p.active) AS is_changed
  FROM merged m LEFT JOIN product p ON p.code = m.product`;

export const DECIDE_MEMBERS = `
CREATE TEMPORARY TABLE import_member ON COMMIT DROP AS
SELECT DISTINCT wanted.assortment, r.product
  FROM import_row r CROSS JOIN LATERAL unnest(r.assortments) AS wanted (assortment)
 WHERE NOT EXISTS (SELECT FROM assortment_product m WHERE m.assortment = wanted.assortment AND m.product = r.product)`;

/** "From now on" at the price that stands already is no change, whenever it was said. */
export const DECIDE_PRICES = `
CREATE TEMPORARY TABLE import_price ON COMMIT DROP AS
SELECT r.price_zone, r.product, r.given_from, r.price_minor, r.per_milli, r.valid_from
  FROM import_row r
  LEFT JOIN price_entry e ON e.price_zone = r.price_zone AND e.product = r.product AND e.given_from = r.given_from
 WHERE r.price_zone IS NOT NULL
   AND (e.product IS NULL OR e.price_minor <> r.price_minor OR e.per_milli <> r.per_milli OR e.valid_to IS NOT NULL
        OR (r.given_from <> '-' AND e.valid_from <> r.valid_from))`;

/** PostgreSQL knows nothing of a table that was just filled, and would join 90,000 rows to 90,000 row by row. */
export const ANALYZE_DECISIONS = [
  'ANALYZE import_row',
  'ANALYZE import_product',
  'ANALYZE import_member',
  'ANALYZE import_price',
];

export const COUNT_ROWS = `
SELECT count(*) FILTER (WHERE p.is_new) AS created,
       count(*) FILTER (WHERE NOT p.is_new AND (p.is_changed OR m.product IS NOT NULL OR e.product IS NOT NULL)) AS changed,
       count(*) FILTER (WHERE NOT p.is_new AND NOT p.is_changed AND m.product IS NULL AND e.product IS NULL) AS unchanged
  FROM import_row r
  JOIN import_product p ON p.product = r.product
  LEFT JOIN (SELECT DISTINCT product FROM import_member) m ON m.product = r.product
  LEFT JOIN import_price e ON e.product = r.product AND e.price_zone = r.price_zone AND e.given_from = r.given_from`;

/** $1 tenant, $2 now. */
export const STORE_PRODUCTS = `
INSERT INTO product (tenant_id, code, name, department, category, brand, pack_size, tax_class, fractional, active, changed_at)
SELECT $1::uuid, product, name, department, category, brand, pack_size, tax_class, fractional, active, $2::timestamptz
  FROM import_product WHERE is_changed ORDER BY product
ON CONFLICT (tenant_id, code) DO UPDATE SET
  name = excluded.name, department = excluded.department, category = excluded.category, brand = excluded.brand,
  pack_size = excluded.pack_size, tax_class = excluded.tax_class, fractional = excluded.fractional, active = excluded.active,
  changed_at = excluded.changed_at`;

export const DROP_BARCODES = `
DELETE FROM product_barcode b USING import_product p WHERE p.product = b.product AND p.is_changed AND p.barcodes <> p.held_barcodes`;

/** $1 tenant. */
export const STORE_BARCODES = `
INSERT INTO product_barcode (tenant_id, product, barcode, position)
SELECT $1::uuid, p.product, wanted.barcode, wanted.position
  FROM import_product p CROSS JOIN LATERAL unnest(p.barcodes) WITH ORDINALITY AS wanted (barcode, position)
 WHERE p.is_changed AND p.barcodes <> p.held_barcodes`;

/** $1 tenant. */
export const STORE_MEMBERS = `
INSERT INTO assortment_product (tenant_id, assortment, product) SELECT $1::uuid, assortment, product FROM import_member`;

/** $1 tenant, $2 release. */
export const STORE_PRICES = `
INSERT INTO price_entry (tenant_id, price_zone, product, given_from, price_minor, per_milli, valid_from, valid_to, release_id)
SELECT $1::uuid, price_zone, product, given_from, price_minor, per_milli, valid_from, NULL, $2::uuid FROM import_price
ON CONFLICT (tenant_id, price_zone, product, given_from) DO UPDATE SET
  price_minor = excluded.price_minor, per_milli = excluded.per_milli, valid_from = excluded.valid_from, valid_to = NULL,
  release_id = excluded.release_id`;

/** A changed product in each assortment that carries it, an unchanged one where it is new. $1 tenant, $2 release, $3 contract. */
export const PUBLISH_PRODUCTS = `
INSERT INTO outbox (tenant_id, scope, kind, key, contract, release_id, deleted, body)
SELECT $1::uuid, 'assortment:' || carries.assortment, 'product', p.product, $3::int, $2::uuid, false, p.body
  FROM import_product p JOIN assortment_product carries ON carries.product = p.product
 WHERE p.is_changed
    OR EXISTS (SELECT FROM import_member m WHERE m.assortment = carries.assortment AND m.product = p.product)
 ORDER BY carries.assortment, p.product`;

/** Instants of the feed are epoch milliseconds. $1 tenant, $2 release, $3 contract. */
export const PUBLISH_PRICES = `
INSERT INTO outbox (tenant_id, scope, kind, key, contract, release_id, deleted, body)
SELECT $1::uuid, 'zone:' || e.price_zone, 'price', e.product || '/' || e.given_from, $3::int, $2::uuid, false,
       jsonb_build_object('product', e.product,
         'price', jsonb_build_object('minor', e.price_minor, 'per', trim_scale(e.per_milli / 1000.0)),
         'currency', z.currency, 'validFrom', floor(extract(epoch FROM e.valid_from) * 1000)::bigint, 'validTo', NULL)
  FROM import_price e JOIN price_zone z ON z.code = e.price_zone
 ORDER BY e.price_zone, e.product, e.given_from`;
