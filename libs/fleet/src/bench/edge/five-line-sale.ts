import { lineAmountMinor } from '@branchline/domain/price.js';
import { quantityMilli } from '@branchline/domain/quantity.js';
import type { DemoProduct } from '../../demo/demo-chain.js';

export interface FiveLineSale {
  id: string;
  deviceReference: string;
  occurredAt: string;
  lines: { lineNo: number; product: string; quantity: number }[];
  tenders: { tenderNo: number; type: string; amountMinor: number; card?: Record<string, string> }[];
  expectedTotalMinor: number;
}

export interface SaleParts {
  id: string;
  deviceReference: string;
  occurredAtMs: number;
  products: readonly DemoProduct[];
  chance: () => number;
}

const LINES = 5;
const CARD_SHARE = 0.65;
/** Of those who pay by card, who pay a part in cash. */
const SPLIT_SHARE = 0.1;
const CARD_SCHEMES = ['VISA', 'MASTERCARD', 'EFTPOS'];
const NOTE_MINOR = 500;

/**
 * What a till sends for a basket of five different products: few of one, some by weight, paid by card, in cash or both.
 * Some products are bought far more often than others, as everywhere.
 */
export function fiveLineSale({ id, deviceReference, occurredAtMs, products, chance }: SaleParts): FiveLineSale {
  const shelves = [...products];
  const lines: FiveLineSale['lines'] = [];
  let totalMinor = 0;
  for (let lineNo = 1; lineNo <= LINES; lineNo += 1) {
    const [taken] = shelves.splice(Math.floor(chance() ** 2 * shelves.length), 1);
    if (!taken) throw new Error(`a basket of ${LINES} lines needs as many products`);
    const quantity = taken.fractional ? Math.round(200 + chance() * 1_300) / 1000 : 1 + Math.floor(chance() ** 3 * 4);
    lines.push({ lineNo, product: taken.product, quantity });
    totalMinor += lineAmountMinor({ minor: taken.priceMinor, per: 1 }, quantityMilli(quantity));
  }
  const occurredAt = new Date(occurredAtMs).toISOString();
  const tenders = tendersFor(totalMinor, chance);
  return { id, deviceReference, occurredAt, lines, tenders, expectedTotalMinor: totalMinor };
}

function tendersFor(totalMinor: number, chance: () => number): FiveLineSale['tenders'] {
  if (chance() >= CARD_SHARE) {
    return [{ tenderNo: 1, type: 'cash', amountMinor: Math.ceil(totalMinor / NOTE_MINOR) * NOTE_MINOR }];
  }
  const cashMinor = chance() < SPLIT_SHARE && totalMinor > NOTE_MINOR ? NOTE_MINOR : 0;
  const card = {
    scheme: CARD_SCHEMES[Math.floor(chance() * CARD_SCHEMES.length)] ?? '',
    maskedPan: `****${digits(chance, 4)}`,
    authCode: digits(chance, 6),
  };
  const byCard = { tenderNo: 1, type: 'card', amountMinor: totalMinor - cashMinor, card };
  return cashMinor === 0 ? [byCard] : [byCard, { tenderNo: 2, type: 'cash', amountMinor: cashMinor }];
}

function digits(chance: () => number, count: number): string {
  return String(Math.floor(chance() * 10 ** count)).padStart(count, '0');
}
