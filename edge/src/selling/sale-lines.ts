import { quantityMilli } from '@branchline/domain/quantity.js';
import type { Price } from '@branchline/domain/price.js';
import type { SaleLineToPrice } from '@branchline/domain/sale.js';
import { problem } from '@branchline/http/problem.js';
import { offerOf, productsOfBarcode, taxesOfClass, type Offer } from '../catalogue/offer.js';
import type { ReadTx } from '../store/tx.js';
import type { BranchSettings } from '../tills/branch-settings.js';
import type { SaleInputLine } from './sale-input.js';

/**
 * `live`: a proposal, refused where it does not fit the catalogue. `import`, `away`: what happened elsewhere, taken as it
 * is, and flagged.
 */
export type SaleSource = 'live' | 'import' | 'away';

/** What the journal keeps of a line beside its amounts. */
export type LineFacts = { name: string; barcode?: string; priceSource: 'book' | 'external'; priceEntry?: string };
export type ResolvedLine = { toPrice: SaleLineToPrice; facts: LineFacts };
export type ResolvedLines = { lines: ResolvedLine[]; flags: Set<string> };

type Resolving = { tx: ReadTx; source: SaleSource; atMs: number; settings: BranchSettings; flags: Set<string> };

/**
 * Finds product, price and taxes of every line, at the moment that counts.
 *
 * @throws Problem for a live sale: unknown-product, unknown-barcode, not-tradable, no-price, price-differs,
 *   quantity-decimals
 */
export function resolveLines(
  tx: ReadTx,
  lines: readonly SaleInputLine[],
  { source, atMs, settings }: { source: SaleSource; atMs: number; settings: BranchSettings },
): ResolvedLines {
  const resolving: Resolving = { tx, source, atMs, settings, flags: new Set() };
  return { lines: lines.map((line) => resolveLine(resolving, line)), flags: resolving.flags };
}

function resolveLine(resolving: Resolving, line: SaleInputLine): ResolvedLine {
  const { tx, atMs, settings, flags } = resolving;
  const product = line.product ?? productOf(resolving, line.barcode as string);
  const isExternal = line.priceSource === 'external';
  const defaultTaxClass = isExternal ? null : settings.defaultTaxClass;
  const offer = offerOf(tx, product, atMs, defaultTaxClass);
  if (offer === undefined) refuseOrFlag(resolving, 'unknown-product', `product ${product} is not known here`);
  else if (!offer.active) refuseOrFlag(resolving, 'not-tradable', `product ${product} is not sold any more`);

  const milli = quantityMilli(line.quantity);
  if (resolving.source === 'live' && offer?.fractional === false && milli % 1000 !== 0) {
    throw problem('quantity-decimals', `product ${product} is sold in whole units only`);
  }
  const priced = isExternal ? externalPrice(line) : bookPrice(resolving, line, product, offer);
  if (resolving.source === 'away' && line.modifiers !== undefined && line.modifiers.length > 0)
    flags.add('unapproved-modifier');
  return {
    toPrice: {
      lineNo: line.lineNo,
      product,
      quantityMilli: milli,
      price: priced.price,
      modifiers: line.modifiers ?? [],
      information: line.information ?? [],
      taxes: offer?.taxes ?? taxesOfClass(tx, defaultTaxClass),
    },
    facts: {
      name: offer?.name ?? product,
      ...(line.barcode !== undefined && { barcode: line.barcode }),
      priceSource: priced.priceSource,
      ...(priced.priceEntry !== undefined && { priceEntry: priced.priceEntry }),
    },
  };
}

/** The one product that bears the barcode; of a sale that is a fact the barcode itself, where it is nobody's or several's. */
function productOf(resolving: Resolving, barcode: string): string {
  const products = productsOfBarcode(resolving.tx, barcode);
  const [only] = products;
  if (only !== undefined && products.length === 1) return only;
  const why =
    only === undefined ? 'is not known here' : `is borne by several products, ${products.join(' and ')} among them`;
  refuseOrFlag(resolving, 'unknown-barcode', `barcode ${barcode} ${why}`);
  return barcode;
}

type LinePrice = { price: Price; priceSource: 'book' | 'external'; priceEntry?: string };

function externalPrice(line: SaleInputLine): LinePrice {
  if (line.price === undefined) throw new Error('the schema lets no external line in without a price');
  return { price: line.price, priceSource: 'external' };
}

/** The edge prices: what a till sends must be what the book says. What a till sold at while away was its price. */
function bookPrice(resolving: Resolving, line: SaleInputLine, product: string, offer: Offer | undefined): LinePrice {
  const sent = line.price;
  const book = offer?.price ?? null;
  if (book === null || book.currency !== resolving.settings.currency) {
    refuseOrFlag(resolving, 'no-price', `product ${product} has no price in ${resolving.settings.currency} now`);
    return { price: sent ?? { minor: 0, per: 1 }, priceSource: sent === undefined ? 'book' : 'external' };
  }
  if (sent !== undefined && (sent.minor !== book.minor || sent.per !== book.per)) {
    const differs = `product ${product} costs ${book.minor} per ${book.per}, sent was ${sent.minor} per ${sent.per}`;
    refuseOrFlag(resolving, 'price-differs', differs);
    return { price: sent, priceSource: 'external' };
  }
  return { price: { minor: book.minor, per: book.per }, priceSource: 'book', priceEntry: book.key };
}

type CatalogueCode = 'unknown-product' | 'unknown-barcode' | 'not-tradable' | 'no-price' | 'price-differs';

function refuseOrFlag({ source, flags }: Resolving, code: CatalogueCode, detail: string): void {
  if (source === 'live') throw problem(code, detail);
  flags.add(code);
}
