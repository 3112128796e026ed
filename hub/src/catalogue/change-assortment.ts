import { text } from '@branchline/http/fields.js';
import { problem } from '@branchline/http/problem.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { contractOfRecord } from '@branchline/replication/contracts.js';
import { z } from 'zod';
import type { Tx } from '../database/unit-of-work.js';
import { publish } from '../feed/publish.js';
import { assortmentScope, TENANT_SCOPE } from '../feed/scopes.js';
import { takeImportsTurn } from './import-products.js';

const products = z.array(text(64)).max(1_000).default([]);
export const assortmentChange = z
  .strictObject({ add: products, remove: products })
  .refine(({ add, remove }) => !add.some((product) => remove.includes(product)), 'a product is in both lists');
export type AssortmentChange = z.infer<typeof assortmentChange>;

/** How many are new in it and how many are no longer; `release`: under which that becomes visible, null: nothing changed. */
export type AssortmentChanged = { added: number; removed: number; release: string | null };

type By = { createdBy: string; clock: Clock; newId: NewId };

/**
 * Puts products into an assortment and takes others out of it: stores that carry it have both as one release. More than
 * these lists hold comes as a file (`imports/products`).
 *
 * @throws Problem `not-found` for the assortment, `invalid-field` for a product that is not there, `busy` while an import runs
 */
export async function changeAssortment(
  tx: Tx,
  assortment: string,
  { add, remove }: AssortmentChange,
  { createdBy, clock, newId }: By,
): Promise<AssortmentChanged> {
  await takeImportsTurn(tx);
  const found = await tx.query('SELECT 1 FROM assortment WHERE code = $1', [assortment]);
  if (found.length === 0) throw problem('not-found', `There is no assortment ${assortment}.`);
  await refuseUnknown(tx, add);
  const release = newId();
  const added = await tx.query<{ product: string }>(ADD, [tx.tenantId, assortment, add]);
  const removed = await tx.query<{ product: string }>(REMOVE, [assortment, remove]);
  if (added.length + removed.length === 0) return { added: 0, removed: 0, release: null };
  await tx.execute(
    `INSERT INTO release (tenant_id, id, reason, created_at, created_by) VALUES ($1, $2, 'assortment', $3, $4)`,
    [tx.tenantId, release, new Date(clock.now()), createdBy],
  );
  const scope = assortmentScope(assortment);
  const codes = added.map(({ product }) => product);
  await tx.execute(PUBLISH_ADDED, [tx.tenantId, scope, contractOfRecord('product'), release, codes]);
  for (const { product } of removed)
    await publish(tx, { scope, kind: 'product', key: product, deleted: true, release });
  // Last, so that its number is given after all that it names.
  await publish(tx, { scope: TENANT_SCOPE, kind: 'release', key: release, body: { release, needs: {} } });
  return { added: added.length, removed: removed.length, release };
}

async function refuseUnknown(tx: Tx, add: readonly string[]): Promise<void> {
  const [unknown] = await tx.query<{ product: string }>(
    'SELECT product FROM unnest($1::text[]) AS wanted (product) WHERE NOT EXISTS (SELECT FROM product p WHERE p.code = wanted.product) LIMIT 1',
    [add],
  );
  if (unknown === undefined) return;
  const message = `there is no product ${unknown.product}`;
  throw problem('invalid-field', `add: ${message}`, { errors: [{ path: 'add', code: 'unknown', message }] });
}

const ADD = `
INSERT INTO assortment_product (tenant_id, assortment, product)
SELECT DISTINCT $1::uuid, $2, wanted.product FROM unnest($3::text[]) AS wanted (product)
ON CONFLICT DO NOTHING RETURNING product`;

const REMOVE = 'DELETE FROM assortment_product WHERE assortment = $1 AND product = ANY ($2::text[]) RETURNING product';

const PUBLISH_ADDED = `
INSERT INTO outbox (tenant_id, scope, kind, key, contract, release_id, deleted, body)
SELECT $1::uuid, $2, 'product', p.code, $3::int, $4::uuid, false,
       jsonb_build_object('code', p.code, 'name', p.name, 'category', p.category, 'department', p.department, 'brand', p.brand,
         'packSize', p.pack_size, 'taxClass', p.tax_class, 'fractional', p.fractional, 'active', p.active, 'barcodes',
         coalesce((SELECT jsonb_agg(b.barcode ORDER BY b.position) FROM product_barcode b WHERE b.product = p.code), '[]'))
  FROM product p WHERE p.code = ANY ($5::text[]) ORDER BY p.code`;
