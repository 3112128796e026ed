import { nextHlc } from '../hlc.js';

/** What was last seen at a place of the lines (`body.lines[].product`). */
export class Register {
  number = 0;
  text: string | null = null;
  /** Which of the texts seen at this place it is, from 1; 0: one that is not kept. */
  code = 0;
  /** The number last seen here for each code of the place that tells it. */
  readonly numberFor: (number | undefined)[] = [];
  private total = 0;
  private totalOf = 0;

  constructor(private readonly array: BegunArray) {}

  /** Of the numbers at this place since the array around it began. */
  get sum(): number {
    return this.totalOf === this.array.begun ? this.total : 0;
  }

  add(value: number): void {
    this.total = this.sum + value;
    this.totalOf = this.array.begun;
  }
}

/** How often an array of one place has begun: sums of its elements are set back by that alone, however many there are. */
export type BegunArray = { begun: number };

export type RegisterAt = (place: string) => Register;
type NumberGuess = () => number;
type TextGuess = () => string | null;

/** `from`: the place whose text tells this value; the guess is what stood here when that text was the same. */
export type NumberHint = { from: string; plus?: number } | { guesses: (at: RegisterAt) => NumberGuess[] };

export type TextHint = {
  from?: string;
  /** It ends in a number that goes up by one. */
  counts?: true;
  /** Hardly ever the same twice: none is kept to point at. */
  once?: true;
  guess?: (at: RegisterAt) => TextGuess;
};

const line = 'body.lines[].';
const tender = 'body.tenders[].';
const ofDevice = { from: 'device' };
const ofProduct = { from: `${line}product` };

const numberOf = (place: string, plus = 0) => ({
  guesses: (at: RegisterAt): NumberGuess[] => {
    const register = at(place);
    return [() => register.number + plus];
  },
});

const sumOf = (place: string) => ({
  guesses: (at: RegisterAt): NumberGuess[] => {
    const register = at(place);
    return [() => register.sum];
  },
});

/** Of several guesses the one is taken that was nearest lately. */
const eitherOf = (...places: string[]) => ({
  guesses: (at: RegisterAt): NumberGuess[] => places.map(at).map((register) => () => register.number),
});

/**
 * What the numbers of a line most likely are, told from what was read before them. A wrong guess costs bytes and nothing
 * else: what is sent is how far off it was. Both ends of a push must guess alike, so this table belongs to the media type:
 * another table is another type. A place that is not here: the number seen there last.
 */
export const NUMBER_HINTS: Readonly<Record<string, NumberHint>> = {
  seq: numberOf('seq', 1),
  'body.receiptNo': { ...ofDevice, plus: 1 },
  'body.epoch': ofDevice,
  // At a till that waits for its answer the line's own time but for a moment; of what is handed over later it is not.
  'body.occurredAt': eitherOf('body.occurredAt', 'at'),
  'body.soldAt': eitherOf('at', 'body.occurredAt'),
  [`${line}lineNo`]: numberOf('body.lines[]@'),
  [`${line}price.minor`]: ofProduct,
  [`${line}price.per`]: ofProduct,
  [`${line}amountMinor`]: { guesses: guessLineAmount },
  [`${line}netMinor`]: { guesses: guessLineNet },
  [`${line}taxMinor`]: { guesses: guessLineTax },
  [`${line}totalMinor`]: { guesses: guessLineTotal },
  [`${line}taxes[]#`]: ofProduct,
  [`${line}taxes[].ratePpm`]: ofProduct,
  [`${line}taxes[].amountMinor`]: { guesses: guessTaxAmount },
  [`${tender}tenderNo`]: numberOf('body.tenders[]@'),
  [`${tender}amountMinor`]: { guesses: guessTender },
  'body.amountMinor': sumOf(`${line}amountMinor`),
  'body.discountMinor': { guesses: guessDiscount },
  'body.netMinor': sumOf(`${line}netMinor`),
  'body.taxMinor': sumOf(`${line}taxMinor`),
  'body.totalMinor': sumOf(`${line}totalMinor`),
  'body.changeMinor': { guesses: guessChange },
};

/** As with numbers. A place that is not here: the text seen there last, and then any seen there before. */
export const TEXT_HINTS: Readonly<Record<string, TextHint>> = {
  key: { once: true },
  'refs[]': ofDevice,
  hlc: { once: true, guess: guessHlc },
  contentHash: { once: true },
  'body.id': { once: true, guess: textOf('key') },
  'body.receiptNumber': { ...ofDevice, counts: true, once: true },
  'body.deviceReference': { ...ofDevice, counts: true, once: true },
  'body.till': ofDevice,
  'body.operator': ofDevice,
  'body.shift': ofDevice,
  [`${line}name`]: ofProduct,
  [`${line}barcode`]: ofProduct,
  [`${line}priceEntry`]: ofProduct,
  [`${line}taxes[].code`]: ofProduct,
  [`${tender}card.maskedPan`]: { once: true },
  [`${tender}card.authCode`]: { once: true },
};

function guessLineAmount(at: RegisterAt): NumberGuess[] {
  const [minor, per, quantity] = [at(`${line}price.minor`), at(`${line}price.per`), at(`${line}quantityMilli`)];
  return [() => Math.round((minor.number * quantity.number) / (per.number * 1000))];
}

/** After its reductions, as a line's net, tax and total are. */
function grossOf(at: RegisterAt): NumberGuess {
  const [amount, modifiers] = [at(`${line}amountMinor`), at(`${line}modifiers[].amountMinor`)];
  return () => amount.number + modifiers.sum;
}

const PPM = 1_000_000;

/** Prices hold their tax: what the product was taxed at last tells how much. */
function guessLineNet(at: RegisterAt): NumberGuess[] {
  const gross = grossOf(at);
  const [product, rate] = [at(`${line}product`), at(`${line}taxes[].ratePpm`)];
  return [() => Math.round((gross() * PPM) / (PPM + (rate.numberFor[product.code] ?? 0)))];
}

function guessLineTax(at: RegisterAt): NumberGuess[] {
  const gross = grossOf(at);
  const net = at(`${line}netMinor`);
  return [() => gross() - net.number];
}

function guessLineTotal(at: RegisterAt): NumberGuess[] {
  const [net, tax] = [at(`${line}netMinor`), at(`${line}taxMinor`)];
  return [() => net.number + tax.number];
}

function guessTaxAmount(at: RegisterAt): NumberGuess[] {
  const [tax, amounts] = [at(`${line}taxMinor`), at(`${line}taxes[].amountMinor`)];
  return [() => tax.number - amounts.sum];
}

function guessTender(at: RegisterAt): NumberGuess[] {
  const [totals, tenders] = [at(`${line}totalMinor`), at(`${tender}amountMinor`)];
  return [() => totals.sum - tenders.sum];
}

function guessDiscount(at: RegisterAt): NumberGuess[] {
  const [amount, totals] = [at('body.amountMinor'), at(`${line}totalMinor`)];
  return [() => amount.number - totals.sum];
}

function guessChange(at: RegisterAt): NumberGuess[] {
  const [tenders, total, rounding] = [at(`${tender}amountMinor`), at('body.totalMinor'), at('body.cashRoundingMinor')];
  return [() => tenders.sum - total.number - rounding.number];
}

function guessHlc(at: RegisterAt): TextGuess {
  const [hlc, now] = [at('hlc'), at('at')];
  return () => nextHlc(hlc.text, now.number);
}

function textOf(place: string): (at: RegisterAt) => TextGuess {
  return (at) => {
    const register = at(place);
    return () => register.text;
  };
}
