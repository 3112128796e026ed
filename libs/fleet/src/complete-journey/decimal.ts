/** A decimal number as its text says it, never through a double: 1.005 stays 1.005. Value = digits × 10^−scale. */
export interface Decimal {
  negative: boolean;
  /** Without leading zeros; empty for zero. */
  digits: string;
  scale: number;
}

const TEXT_LENGTH_MAX = 64;
/** A number of this many digits is still a safe integer. */
const SAFE_DIGITS = 15;
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;

/** Null when it is no number. Exponents are valid (`4.440892e-16`). */
export function parseDecimal(text: string): Decimal | null {
  const match = text.length <= TEXT_LENGTH_MAX ? PATTERN.exec(text) : null;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match ?? [];
  if (whole + fraction === '') return null;
  const digits = (whole + fraction).replace(/^0+/, '');
  return { negative: sign === '-' && digits !== '', digits, scale: fraction.length - Number(exponent) };
}

/** The magnitude in units of 10^−places, rounded half up; null when it is too large to be counted safely. */
export function roundHalfUp({ digits, scale }: Decimal, places: number): number | null {
  if (digits === '') return 0;
  const shift = places - scale;
  const kept = digits.length + shift;
  if (kept > SAFE_DIGITS) return null;
  if (kept < 0) return 0;
  if (shift >= 0) return Number(digits + '0'.repeat(shift));
  const up = (digits[kept] ?? '0') >= '5' ? 1 : 0;
  return Number(digits.slice(0, kept) || '0') + up;
}

export function hasMoreDecimalsThan({ digits, scale }: Decimal, places: number): boolean {
  const significant = digits.replace(/0+$/, '');
  return significant !== '' && scale - (digits.length - significant.length) > places;
}

/**
 * An id of this data set: a whole number as text. One that a spreadsheet or R has turned into `9e+05` is 900000 again; leading zeros
 * stay, since an id is not counted with.
 */
export function wholeNumberText(text: string): string | null {
  if (/^\d{1,20}$/.test(text)) return text;
  const decimal = parseDecimal(text);
  if (!decimal || decimal.negative || hasMoreDecimalsThan(decimal, 0)) return null;
  const whole = roundHalfUp(decimal, 0);
  return whole === null ? null : String(whole);
}
