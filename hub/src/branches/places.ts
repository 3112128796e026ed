import { code, text } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { IANAZone } from 'luxon';
import { z } from 'zod';
import { constraintOf, type Database, type Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { TENANT_SCOPE } from '../feed/scopes.js';

export const timeZone = z
  .string()
  .max(60)
  .refine((zone) => IANAZone.isValidZone(zone), 'expected a time zone such as Africa/Johannesburg');
export const currency = z.string().regex(/^[A-Z]{3}$/, 'expected a currency of ISO 4217');
const taxCode = z.string().regex(/^[A-Z0-9_-]{1,20}$/, 'expected 1 to 20 of A-Z, 0-9, _ and -');

/** More than one whole: a tax of 100 % and over is a typing error in parts per million. */
const RATE_PPM_MAX = 1_000_000;

export const regionInput = z.strictObject({ code, name: text(100) });
export const assortmentInput = regionInput;
/** `timeZone`: in which the local times of its prices are read. Without `currency`: the tenant's. */
export const priceZoneInput = z.strictObject({
  code,
  name: text(100),
  timeZone: timeZone.default('UTC'),
  currency: currency.optional(),
});
export const taxClassInput = z.strictObject({
  code: taxCode,
  components: z
    .array(z.strictObject({ code: taxCode, ratePpm: z.int().min(0).max(RATE_PPM_MAX) }))
    .max(8)
    .refine(
      (components) => new Set(components.map((component) => component.code)).size === components.length,
      'a component is named twice',
    ),
});

export type Place = z.infer<typeof regionInput>;
export type PriceZone = Required<z.infer<typeof priceZoneInput>>;
export type TaxClass = z.infer<typeof taxClassInput>;
export type PageInput = { limit: number; after?: string };

export async function createRegion(tx: Tx, { code, name }: Place): Promise<Place> {
  await tx.execute('INSERT INTO region (tenant_id, code, name) VALUES ($1, $2, $3)', [tx.tenantId, code, name]);
  return { code, name };
}

export async function createAssortment(tx: Tx, { code, name }: Place): Promise<Place> {
  await tx.execute('INSERT INTO assortment (tenant_id, code, name) VALUES ($1, $2, $3)', [tx.tenantId, code, name]);
  return { code, name };
}

export async function createPriceZone(tx: Tx, input: z.infer<typeof priceZoneInput>): Promise<PriceZone> {
  return tx.one<PriceZone>(
    `INSERT INTO price_zone (tenant_id, code, name, time_zone, currency)
     SELECT tenant_id, $1, $2, $3, coalesce($4, currency) FROM tenant
     RETURNING code, name, time_zone AS "timeZone", currency`,
    [input.code, input.name, input.timeZone, input.currency ?? null],
  );
}

export async function createTaxClass(tx: Tx, taxClass: TaxClass): Promise<TaxClass> {
  await tx.execute('INSERT INTO tax_class (tenant_id, code, components) VALUES ($1, $2, $3)', [
    tx.tenantId,
    taxClass.code,
    JSON.stringify(taxClass.components),
  ]);
  await publish(tx, { scope: TENANT_SCOPE, kind: 'tax-class', key: taxClass.code, body: taxClass });
  return taxClass;
}

const LISTS = {
  region: 'SELECT code, name FROM region WHERE code > $1 ORDER BY code LIMIT $2',
  assortment: 'SELECT code, name FROM assortment WHERE code > $1 ORDER BY code LIMIT $2',
  priceZone:
    'SELECT code, name, time_zone AS "timeZone", currency FROM price_zone WHERE code > $1 ORDER BY code LIMIT $2',
  taxClass: 'SELECT code, components FROM tax_class WHERE code > $1 ORDER BY code LIMIT $2',
} as const;

export async function listPlaces<Item extends { code: string }>(
  tx: Tx,
  of: keyof typeof LISTS,
  { limit, after }: PageInput,
): Promise<Page<Item>> {
  const [afterCode] = after === undefined ? [''] : decodeCursor(z.tuple([code]), after);
  const rows = await tx.query<Item>(LISTS[of], [afterCode, limit + 1]);
  return pageOf(
    rows,
    limit,
    (row) => [row.code],
    (row) => row,
  );
}

/**
 * A code is taken: 409. Outside the transaction, since a refused row ends it.
 *
 * @throws Problem `already-exists`
 */
export async function creating<T>(database: Database, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  try {
    return await database.transaction(tenantId, work);
  } catch (error) {
    if (constraintOf(error)?.endsWith('_is_taken')) throw problem('already-exists');
    throw error;
  }
}
