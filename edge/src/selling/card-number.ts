/** 13 to 19 digits in a row, however they are spaced. */
const LONG_NUMBER = /\d(?:[ -]?\d){12,18}/g;

/**
 * Whether a text holds what may be a whole card number (Luhn). No such number is ever stored: a terminal gives a masked
 * one, and what a till sends by mistake is refused here, before it reaches a journal that keeps everything for ever.
 */
export function holdsCardNumber(text: string): boolean {
  for (const [found] of text.matchAll(LONG_NUMBER)) if (passesLuhn(found.replaceAll(/[ -]/g, ''))) return true;
  return false;
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const weighted = place % 2 === 0 ? digit : digit * 2;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
