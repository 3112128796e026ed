import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code, text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import { z } from 'zod';
import { constraintOf, type Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { branchScope } from '../feed/scopes.js';
import { BranchRow } from './branch.row.js';
import { currency, timeZone } from './places.js';

export const wallClock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected HH:MM');

export const branchInput = z.strictObject({
  code,
  name: text(100),
  region: code,
  priceZone: code,
  assortment: code,
  timeZone,
  currency,
  /** Local time at which a new business date begins. */
  cutOff: wallClock.default('00:00'),
  taxRounding: z.enum(['line', 'receipt']).default('line'),
  /** Of products that name none; left out: no tax. */
  defaultTaxClass: z.string().max(20).optional(),
});
export type BranchInput = z.infer<typeof branchInput>;

export type Branch = Omit<BranchInput, 'defaultTaxClass'> & { id: string; defaultTaxClass: string | null };

/** @throws Problem `already-exists`, or `invalid-field` naming the region, zone, assortment or class that does not exist */
export async function createBranch(tx: Tx, input: BranchInput, newId: NewId, clock: Clock): Promise<Branch> {
  const branch = tx.manager.create(BranchRow, {
    id: newId(),
    tenantId: tx.tenantId,
    code: input.code,
    name: input.name,
    region: input.region,
    priceZone: input.priceZone,
    assortment: input.assortment,
    timeZone: input.timeZone,
    currency: input.currency,
    cutOffMinutes: minutesOf(input.cutOff),
    taxRounding: input.taxRounding,
    defaultTaxClass: input.defaultTaxClass ?? null,
    nextEpoch: 1,
    createdAt: new Date(clock.now()),
  });
  await refuseForeignCurrency(tx, input);
  try {
    await tx.manager.insert(BranchRow, branch);
  } catch (error) {
    throw invalidPlace(error, input) ?? error;
  }
  await publishSettings(tx, branch);
  return shownBranch(branch);
}

/** The prices of a zone are in one currency; a branch that trades in another would sell 10.00 rand at 10.00 dollars. */
export async function refuseForeignCurrency(tx: Tx, input: Pick<BranchInput, 'priceZone' | 'currency'>): Promise<void> {
  const [zone] = await tx.query<{ currency: string }>('SELECT currency FROM price_zone WHERE code = $1', [
    input.priceZone,
  ]);
  if (zone && zone.currency !== input.currency)
    throw invalid('currency', `the prices of ${input.priceZone} are in ${zone.currency}`);
}

const FIELD_OF_CONSTRAINT = {
  branch_in_region: 'region',
  branch_in_price_zone: 'priceZone',
  branch_with_assortment: 'assortment',
  branch_with_tax_class: 'defaultTaxClass',
} as const;

type Places = Pick<BranchInput, 'region' | 'priceZone' | 'assortment'> & { defaultTaxClass?: string | null };

/** What is said of a row that names a place which is not there; undefined: it failed for something else. */
export function invalidPlace(error: unknown, input: Places): Error | undefined {
  const constraint = constraintOf(error);
  if (constraint === undefined || !Object.hasOwn(FIELD_OF_CONSTRAINT, constraint)) return undefined;
  const field = FIELD_OF_CONSTRAINT[constraint as keyof typeof FIELD_OF_CONSTRAINT];
  return invalid(field, `there is no ${input[field]}`);
}

function invalid(path: string, message: string): Error {
  return problem('invalid-field', `${path}: ${message}`, { errors: [{ path, code: 'unknown', message }] });
}

export async function publishSettings(tx: Tx, branch: BranchRow): Promise<void> {
  const { code, name, timeZone, cutOffMinutes, currency, taxRounding, defaultTaxClass, priceZone, assortment, region } =
    branch;
  await publish(tx, {
    scope: branchScope(branch.id),
    kind: 'branch-settings',
    key: 'settings',
    body: {
      code,
      name,
      timeZone,
      cutOffMinutes,
      currency,
      taxRounding,
      defaultTaxClass,
      priceZone,
      assortment,
      region,
      receiptName: name,
    },
  });
}

export function shownBranch(row: BranchRow): Branch {
  const { id, code, name, region, priceZone, assortment, timeZone, currency, taxRounding, defaultTaxClass } = row;
  const cutOff = `${twoDigits(Math.floor(row.cutOffMinutes / 60))}:${twoDigits(row.cutOffMinutes % 60)}`;
  return { id, code, name, region, priceZone, assortment, timeZone, currency, cutOff, taxRounding, defaultTaxClass };
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

export function minutesOf(cutOff: string): number {
  const [hours, minutes] = cutOff.split(':');
  return Number(hours) * 60 + Number(minutes);
}
