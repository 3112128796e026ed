import { lineAmountMinor, type Price } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import { z } from 'zod';

/** A product as a customer finds it on the shelf. */
export interface ShelfItem {
  product: string;
  department: string | null;
  /** Weighed; the price is of a kilogram. */
  fractional: boolean;
  price: Price;
}

export const demoSaleSchema = z.object({
  id: z.string(),
  lines: z.array(z.object({ lineNo: z.number(), product: z.string(), quantity: z.number() })),
  tenders: z.array(
    z.object({
      tenderNo: z.number(),
      type: z.string(),
      amountMinor: z.number(),
      card: z.object({ scheme: z.string(), maskedPan: z.string() }).optional(),
    }),
  ),
  expectedTotalMinor: z.number(),
});
export type DemoSale = z.output<typeof demoSaleSchema>;
type Tender = DemoSale['tenders'][number];

export const BASKET_LINES_MAX = 25;
/** Of those who have n things in the basket, the part that takes one more. */
const ONE_MORE_SHARE = 0.84;

/** How often a thing is bought beside others: what every basket may have, and the rest by where it stands. */
export const APPETITE_FOR: Readonly<Record<string, number>> = {
  'MILK-2L': 14,
  'BANANA-KG': 12,
  'BREAD-WHITE': 10,
  'EGGS-12': 8,
  'MILK-1L': 7,
  'BREAD-GRAIN': 7,
  'TOMATO-KG': 6,
  'POTATO-KG': 5,
  'APPLE-KG': 5,
  'BUTTER-250': 5,
  'CHEDDAR-500': 4,
  AVOCADO: 4,
  'ONION-KG': 4,
  'CARROT-1KG': 4,
  'CHICKEN-KG': 4,
  'MINCE-KG': 4,
  'YOGHURT-1KG': 3,
  'PASTA-500': 3,
  'TISSUE-8': 3,
  'COLA-125': 3,
  'CHOC-180': 3,
  'CHIPS-170': 3,
  'RICE-1KG': 2,
  'COFFEE-250': 2,
  'DAILY-NEWSPAPER': 2,
};
export const APPETITE_IN: Readonly<Record<string, number>> = {
  'Fruit and vegetables': 1.6,
  Dairy: 1.4,
  Bakery: 1.3,
  Confectionery: 1.2,
  Drinks: 1.1,
  Meat: 1,
  Grocery: 0.8,
  Frozen: 0.8,
  Delicatessen: 0.7,
  'Coffee and tea': 0.6,
};
const APPETITE_ELSEWHERE = 0.4;

/** What people spend on one thing that is weighed: dear things are bought in small pieces. */
const WEIGHED_SPEND_MINOR = { from: 250, to: 1_750 };
const GRAMS = { min: 30, max: 2_500 };
const PIECES_MAX = 4;

const SMALL_TOTAL_MINOR = 2_000;
const CASH_SHARE = { small: 0.35, large: 0.12 };
const CARD_SCHEMES = ['VISA', 'MASTERCARD', 'EFTPOS'];
/** Notes that people pay with, in minor units. */
const NOTES_MINOR = [500, 1_000, 2_000, 5_000, 10_000];

export function appetiteFor({ product, department }: Pick<ShelfItem, 'product' | 'department'>): number {
  return APPETITE_FOR[product] ?? APPETITE_IN[department ?? ''] ?? APPETITE_ELSEWHERE;
}

/** 1 to 25 different things: most take few, some fill the trolley. */
export function basketSize(chance: number): number {
  // The geometric distribution up to its end, so that the longest tail is no lump.
  const part = chance * (1 - ONE_MORE_SHARE ** BASKET_LINES_MAX);
  return Math.min(1 + Math.floor(Math.log(1 - part) / Math.log(ONE_MORE_SHARE)), BASKET_LINES_MAX);
}

/** Whole pieces, mostly one; of what is weighed kilograms to the gram. */
export function quantityOf({ fractional, price }: Pick<ShelfItem, 'fractional' | 'price'>, chance: number): number {
  if (!fractional) return 1 + Math.floor(chance ** 6 * PIECES_MAX);
  const { from, to } = WEIGHED_SPEND_MINOR;
  const grams = ((from + (to - from) * chance ** 2) * 1000 * price.per) / Math.max(price.minor, 1);
  return Math.round(Math.min(Math.max(grams, GRAMS.min), GRAMS.max)) / 1000;
}

/** A basket at the prices of the shelf, paid by card, or in cash with what is in the purse. */
export function demoSale(id: string, shelf: readonly ShelfItem[], chance: () => number): DemoSale {
  const left = shelf.map((item) => ({ item, appetite: appetiteFor(item) }));
  const lines: DemoSale['lines'] = [];
  let totalMinor = 0;
  for (let lineNo = 1, size = basketSize(chance()); lineNo <= size && left.length > 0; lineNo += 1) {
    const item = takeOne(left, chance());
    const quantity = quantityOf(item, chance());
    lines.push({ lineNo, product: item.product, quantity });
    totalMinor += lineAmountMinor(item.price, quantityMilli(quantity));
  }
  return { id, lines, tenders: [tenderFor(totalMinor, chance)], expectedTotalMinor: totalMinor };
}

/** By appetite; what was taken is not taken again. */
function takeOne(left: { item: ShelfItem; appetite: number }[], chance: number): ShelfItem {
  let rest = chance * left.reduce((sum, { appetite }) => sum + appetite, 0);
  const found = left.findIndex(({ appetite }) => (rest -= appetite) < 0);
  // Sums of fractions may miss the last one by a hair.
  const [taken] = left.splice(found === -1 ? left.length - 1 : found, 1);
  if (!taken) throw new Error('there is nothing on the shelf');
  return taken.item;
}

function tenderFor(totalMinor: number, chance: () => number): Tender {
  const cashShare = totalMinor < SMALL_TOTAL_MINOR ? CASH_SHARE.small : CASH_SHARE.large;
  if (chance() < cashShare) return { tenderNo: 1, type: 'cash', amountMinor: handedOver(totalMinor) };
  const scheme = CARD_SCHEMES[Math.floor(chance() * CARD_SCHEMES.length)] ?? 'VISA';
  const maskedPan = `****${String(Math.floor(chance() * 10_000)).padStart(4, '0')}`;
  return { tenderNo: 1, type: 'card', amountMinor: totalMinor, card: { scheme, maskedPan } };
}

function handedOver(totalMinor: number): number {
  const largest = NOTES_MINOR.at(-1) ?? 1;
  return NOTES_MINOR.find((minor) => minor >= totalMinor) ?? Math.ceil(totalMinor / largest) * largest;
}
