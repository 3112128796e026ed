import { DomainError } from './errors.js';

/** Whether `code` is a GTIN-8, -12, -13 or -14: digits only, with the right check digit. Source: GS1 General Specifications. */
export function isGtin(code: string): boolean {
  if (!/^(\d{8}|\d{12,14})$/.test(code)) return false;
  return gtinCheckDigit(code.slice(0, -1)) === Number(code.at(-1));
}

/**
 * The check digit 0 to 9 of a GTIN without it: weights 3, 1, 3, … from the right. Throws `gtin-digits` for what is not 7,
 * 11, 12 or 13 digits.
 */
export function gtinCheckDigit(digits: string): number {
  if (!/^(\d{7}|\d{11,13})$/.test(digits)) {
    throw new DomainError('gtin-digits', `"${digits}" is not a GTIN without its check digit`);
  }
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    sum += Number(digits[digits.length - 1 - place]) * (place % 2 === 0 ? 3 : 1);
  }
  return (10 - (sum % 10)) % 10;
}
