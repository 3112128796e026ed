import { allocate } from './allocate.js';
import { DomainError } from './errors.js';
import { assertSafe, mulDiv, sumMinor } from './money.js';

/** One tax on a line, e.g. `{ code: 'VAT15', ratePpm: 150000 }`: parts per million of the net amount. */
export type TaxComponent = { code: string; ratePpm: number };
export type TaxAmount = TaxComponent & { amountMinor: number };
/** The branch's setting: round each line's tax, or the tax of the receipt and spread it over the lines. */
export type TaxRounding = 'line' | 'receipt';

export type TaxedAmount = { netMinor: number; taxMinor: number; taxes: TaxAmount[] };
export type AmountToTax = { discountedMinor: number; components: readonly TaxComponent[] };

const PPM = 1_000_000;

/**
 * Takes the tax out of an amount that includes it: tax = amount × Σ rates ÷ (1 + Σ rates), rounded once; the components
 * share it by their rates and add up to it exactly; net = amount − tax. No components: net = amount. Mirrors for negative
 * amounts. Throws `tax-rate` for a negative rate, `tax-doubled` for one code twice, `number-not-safe`.
 * Source: domain.md, Numbers.
 */
export function inclusiveTax(discountedMinor: number, components: readonly TaxComponent[]): TaxedAmount {
  const rateSumPpm = sumOfRatesPpm(components);
  const taxMinor = mulDiv(discountedMinor, rateSumPpm, PPM + rateSumPpm);
  const shares = allocate(
    taxMinor,
    components.map((component) => component.ratePpm),
  );
  return taxed(discountedMinor, components, shares);
}

/**
 * The inclusive tax of all lines of a receipt, in the order given. By `line` each line is rounded on its own. By
 * `receipt` lines of the same components and sign are taxed as one amount, and that tax is spread over them by largest
 * remainder: a line's tax lies between 0 and its amount, and both Σ lines and Σ components meet the receipt's exactly.
 * Errors as `inclusiveTax`.
 */
export function taxCart(lines: readonly AmountToTax[], rounding: TaxRounding): TaxedAmount[] {
  if (rounding === 'line') return lines.map((line) => inclusiveTax(line.discountedMinor, line.components));

  const groups = new Map<string, number[]>();
  lines.forEach((line, index) => {
    const taxes = line.components.map((component) => [component.code, component.ratePpm]);
    const key = JSON.stringify([line.discountedMinor < 0, taxes]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  });

  const result = new Array<TaxedAmount>(lines.length);
  for (const indexes of groups.values()) {
    const group = indexes.map((index) => lines[index] as AmountToTax);
    taxTogether(group).forEach((line, place) => (result[indexes[place] as number] = line));
  }
  return result;
}

/** Lines of the same components and sign, taxed as one amount. */
function taxTogether(lines: readonly AmountToTax[]): TaxedAmount[] {
  const together = inclusiveTax(sumMinor(lines.map((line) => line.discountedMinor)), lines[0]?.components ?? []);
  const taxOfLinesMinor = allocate(
    together.taxMinor,
    lines.map((line) => Math.abs(line.discountedMinor)),
  );
  // Each line draws from what is left of each component: no share can pass what is left, and the last line empties all.
  // Spreading each component over the lines by itself could leave a small line with more tax than its amount.
  const leftMinor = together.taxes.map((tax) => Math.abs(tax.amountMinor));
  return lines.map((line, place) => {
    const shares = allocate(taxOfLinesMinor[place] as number, leftMinor);
    shares.forEach((share, component) => (leftMinor[component] = (leftMinor[component] as number) - Math.abs(share)));
    return taxed(line.discountedMinor, line.components, shares);
  });
}

function taxed(discountedMinor: number, components: readonly TaxComponent[], shares: readonly number[]): TaxedAmount {
  const taxMinor = sumMinor(shares);
  const taxes = components.map(({ code, ratePpm }, place) => ({ code, ratePpm, amountMinor: shares[place] as number }));
  return { netMinor: assertSafe(discountedMinor - taxMinor), taxMinor, taxes };
}

function sumOfRatesPpm(components: readonly TaxComponent[]): number {
  const codes = new Set<string>();
  for (const { code, ratePpm } of components) {
    if (codes.has(code)) throw new DomainError('tax-doubled', `tax ${code} is on the line twice`);
    if (ratePpm < 0) throw new DomainError('tax-rate', `tax ${code} has a negative rate`);
    codes.add(code);
  }
  return sumMinor(components.map((component) => component.ratePpm));
}
