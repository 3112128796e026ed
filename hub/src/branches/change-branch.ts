import { code, text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import type { BranchRow } from './branch.row.js';
import { invalidPlace, minutesOf, publishSettings, refuseForeignCurrency, wallClock } from './create-branch.js';

/** What is left out stays. The currency stays in any case, and with it the time zone: both are in what was sold. */
export const branchChange = z.strictObject({
  name: text(100).optional(),
  region: code.optional(),
  priceZone: code.optional(),
  assortment: code.optional(),
  cutOff: wallClock.optional(),
  taxRounding: z.enum(['line', 'receipt']).optional(),
  /** Null: products that name none are not taxed. */
  defaultTaxClass: z.string().max(20).nullable().optional(),
});
export type BranchChange = z.infer<typeof branchChange>;

/**
 * Changes a branch, or moves it to another region, price zone or assortment. Its box is told by its own scope: it takes the
 * new scopes whole, and only then sells by them and drops the old.
 *
 * @param branch as it was found; held from here on
 * @throws Problem `invalid-field` naming the region, zone, assortment or class that does not exist, or is in another currency
 */
export async function changeBranch(tx: Tx, branch: BranchRow, change: BranchChange): Promise<BranchRow> {
  const changed: BranchRow = Object.assign(Object.create(Object.getPrototypeOf(branch) as object), branch, {
    name: change.name ?? branch.name,
    region: change.region ?? branch.region,
    priceZone: change.priceZone ?? branch.priceZone,
    assortment: change.assortment ?? branch.assortment,
    cutOffMinutes: change.cutOff === undefined ? branch.cutOffMinutes : minutesOf(change.cutOff),
    taxRounding: change.taxRounding ?? branch.taxRounding,
    defaultTaxClass: change.defaultTaxClass === undefined ? branch.defaultTaxClass : change.defaultTaxClass,
  });
  await refuseForeignCurrency(tx, changed);
  try {
    await tx.execute(UPDATE, [
      changed.id,
      changed.name,
      changed.region,
      changed.priceZone,
      changed.assortment,
      changed.cutOffMinutes,
      changed.taxRounding,
      changed.defaultTaxClass,
    ]);
  } catch (error) {
    throw invalidPlace(error, changed) ?? error;
  }
  await publishSettings(tx, changed);
  return changed;
}

const UPDATE = `
UPDATE branch SET name = $2, region = $3, price_zone = $4, assortment = $5, cut_off_minutes = $6, tax_rounding = $7,
       default_tax_class = $8
 WHERE id = $1`;

/** The row, until the transaction ends: two changes at once would each undo the other's. */
export async function holdBranch(tx: Tx, code: string): Promise<void> {
  const rows = await tx.query('SELECT 1 FROM branch WHERE code = $1 FOR UPDATE', [code]);
  if (rows.length === 0) throw problem('not-found', `There is no branch ${code}.`);
}
