import type { Price } from '@branchline/domain/price.js';
import type { TaxComponent } from '@branchline/domain/tax.js';
import type { ReadTx } from '../store/tx.js';

/** An entry of the price book; `key` names it on the line that was sold by it. */
export type BookPrice = Price & { key: string; currency: string };

/** What the branch knows of a product at a moment. */
export type Offer = {
  product: string;
  name: string;
  fractional: boolean;
  active: boolean;
  /** Null: the book has no price at that moment. */
  price: BookPrice | null;
  taxes: readonly TaxComponent[];
};

type OfferRow = {
  product: string;
  name: string;
  fractional: number;
  active: number;
  key: string | null;
  minor: number;
  per: number;
  currency: string;
  components: string | null;
};

/*
 * Everything a line needs in one point read: product by key, price by (product, valid_from), tax class by key. The book
 * price is that of the latest entry in force: valid_from ≤ t < valid_to.
 */
const OFFER_SQL = `
  SELECT p.code AS product, p.name, p.fractional, p.active, b.key, b.minor, b.per, b.currency, t.components
  FROM product p
  LEFT JOIN price b ON b.key = (
    SELECT key FROM price
    WHERE product = p.code AND valid_from <= ? AND (valid_to IS NULL OR valid_to > ?)
    ORDER BY valid_from DESC, key LIMIT 1)
  LEFT JOIN tax_class t ON t.code = coalesce(p.tax_class, ?)
  WHERE p.code = ?`;

/**
 * @param atMs the moment that counts, epoch ms
 * @param defaultTaxClass class of products that name none; null: those are not taxed
 * @returns undefined for a product that this branch does not carry
 */
export function offerOf(tx: ReadTx, product: string, atMs: number, defaultTaxClass: string | null): Offer | undefined {
  const row = tx.get<OfferRow>(OFFER_SQL, atMs, atMs, defaultTaxClass, product);
  if (row === undefined) return undefined;
  return {
    product: row.product,
    name: row.name,
    fractional: row.fractional === 1,
    active: row.active === 1,
    price: row.key === null ? null : { key: row.key, minor: row.minor, per: row.per, currency: row.currency },
    taxes: componentsOf(row.components),
  };
}

/** The components of a class; none for a class that is not known. */
export function taxesOfClass(tx: ReadTx, taxClass: string | null): readonly TaxComponent[] {
  if (taxClass === null) return [];
  const row = tx.get<{ components: string }>('SELECT components FROM tax_class WHERE code = ?', taxClass);
  return componentsOf(row?.components ?? null);
}

/** The products that bear a barcode, exactly as scanned: none, one, or more than one (then nobody can tell which it is). */
export function productsOfBarcode(tx: ReadTx, barcode: string): string[] {
  return tx
    .all<{ product: string }>(
      'SELECT DISTINCT product FROM barcode WHERE barcode = ? ORDER BY product LIMIT 2',
      barcode,
    )
    .map(({ product }) => product);
}

/** Few texts, read with every line sold: the same text is parsed once. */
const COMPONENTS_KEPT_MAX = 200;
const parsedComponents = new Map<string, readonly TaxComponent[]>();

function componentsOf(text: string | null): readonly TaxComponent[] {
  if (text === null) return [];
  const known = parsedComponents.get(text);
  if (known !== undefined) return known;
  if (parsedComponents.size >= COMPONENTS_KEPT_MAX) parsedComponents.clear();
  // What a newer hub says of a component stays in the row; a line that is sold bears what this version knows.
  const components = (JSON.parse(text) as TaxComponent[]).map(({ code, ratePpm }) => ({ code, ratePpm }));
  parsedComponents.set(text, components);
  return components;
}
