import { z } from 'zod';
import { canonicalJson } from './canonical-json.js';
import { chainHash, sha256Hex } from './chain.js';
import { customerFieldsSchema } from './customer-record.js';
import { hash, id, instantMs, price, productCode } from './kinds/fields.js';
import { saleSchema } from './kinds/sale.js';

/** `tenant`, `region:CODE`, `zone:CODE` (prices), `assortment:CODE` (products), `branch:UUID`. Each is numbered on its own. */
export const scopeSchema = z.string().regex(/^(tenant|(region|zone|assortment):[A-Z0-9]{1,12}|branch:[0-9a-f-]{36})$/);

export const FEED_PAGE_RECORDS_MAX = 1_000;

/**
 * One aggregate, complete, as the hub has it. `version` grows with each change of (kind, key) in the scope; `deleted`
 * records have a body of `{}`. Records with a `release` are staged until the release record of that id, in scope `tenant`,
 * has come and the edge's own scopes have reached the numbers it names.
 */
export const feedRecordSchema = z.looseObject({
  number: z.int().min(1),
  kind: z.string().max(40),
  key: z.string().min(1).max(200),
  version: z.int().min(1),
  contract: z.int().min(1),
  release: id.nullable(),
  deleted: z.boolean(),
  bodyHash: hash,
  hash,
  body: z.looseObject({}),
});
export type FeedRecord = z.infer<typeof feedRecordSchema>;

export const feedPageSchema = z.looseObject({
  scope: scopeSchema,
  hubEpoch: id,
  records: z.array(feedRecordSchema).max(FEED_PAGE_RECORDS_MAX),
  /** The newest number of the scope: the edge asks on until it is there. */
  newest: z.int().min(0),
});
export type FeedPage = z.infer<typeof feedPageSchema>;

export function bodyHashOf(body: Record<string, unknown>): string {
  return sha256Hex(canonicalJson(body));
}

/** Feeds are chained like journals: `hash(n) = sha256(hash(n−1) ‖ canonical record without hash and body)`. Hex in, hex out. */
export function feedHash(previous: string, record: Omit<FeedRecord, 'hash' | 'body'>): string {
  const { number, kind, key, version, contract, release, deleted, bodyHash } = record;
  const text = canonicalJson({ number, kind, key, version, contract, release, deleted, bodyHash });
  return chainHash(Buffer.from(previous, 'hex'), Buffer.from(text, 'utf8')).toString('hex');
}

/** Bodies of the feed kinds. Loose: what a newer hub adds is kept. */
export const FEED_KINDS = {
  /** In `assortment:` of each assortment that carries it; key = product code. */
  product: z.looseObject({
    code: productCode,
    name: z.string().max(200),
    category: z.string().max(100).nullable(),
    department: z.string().max(100).nullable(),
    brand: z.string().max(100).nullable(),
    packSize: z.string().max(60).nullable(),
    taxClass: z.string().max(20).nullable(),
    /** May be sold in fractions (weighed goods). */
    fractional: z.boolean(),
    barcodes: z.array(z.string().max(64)).max(50),
    active: z.boolean(),
  }),
  /** In `zone:`; key = `product/validFrom` (validFrom as given, or `-`). Instants are absolute; the zone's local time was resolved at the hub. */
  price: z.looseObject({
    product: productCode,
    price,
    currency: z.string().length(3),
    validFrom: instantMs,
    validTo: instantMs.nullable(),
  }),
  /** In `tenant`; key = code. */
  'tax-class': z.looseObject({
    code: z.string().max(20),
    components: z.array(z.looseObject({ code: z.string().max(20), ratePpm: z.int().min(0) })),
  }),
  /** In `branch:`; key = `settings`. */
  'branch-settings': z.looseObject({
    code: z.string(),
    name: z.string(),
    timeZone: z.string(),
    /** Minutes after local midnight at which a new business date begins. */
    cutOffMinutes: z.int().min(0).max(1439),
    currency: z.string().length(3),
    taxRounding: z.enum(['line', 'receipt']),
    /** Class of products that name none; null: no tax. */
    defaultTaxClass: z.string().nullable(),
    priceZone: z.string(),
    assortment: z.string(),
    region: z.string(),
    receiptName: z.string(),
  }),
  /** In `branch:`; key = operator code. `pinVerifier`: argon2id over HMAC-SHA256(branch pepper, PIN), made by the hub. */
  operator: z.looseObject({
    operator: z.string().min(1).max(64),
    name: z.string().max(100),
    grants: z.array(
      z.looseObject({ role: z.string(), scope: z.enum(['tenant', 'region', 'branch']), id: z.string().optional() }),
    ),
    pinVerifier: z.string().nullable(),
    active: z.boolean(),
  }),
  /** In `branch:`; key = codeHash. One-time code by which a till's browser enrols. */
  'device-code': z.looseObject({ codeHash: hash, till: z.string(), expiresAt: instantMs }),
  /**
   * In `region:` of its home region; key = id. What stands in each field, and which edits wrote it: whoever changes a field
   * names those. `judged`: by box the clock of its latest edit that was decided on. `keyHash`: where two keys were offered of
   * the person, which of them all of this is under.
   */
  customer: z.looseObject({
    id,
    fields: customerFieldsSchema,
    judged: z.record(z.string(), z.string().max(40)),
    keyHash: hash.optional(),
  }),
  /** In `tenant`; key = id of the person whose key is to be destroyed wherever it is. Stands for ever. */
  erasure: z.looseObject({ person: id }),
  /**
   * In `branch:`; key = conflict. What head office decided that the branch has to write, facts being the branch's to write:
   * the sale that is taken back, as head office has it, and what stands instead (null: nothing). `ifDiffers`: only where
   * the sale stands with other content than at head office. Whoever writes it gives the lines the ids of `correctionId`.
   */
  correction: z.looseObject({
    conflict: id,
    sale: id,
    contentHash: hash,
    body: saleSchema,
    replacement: z.looseObject({ contentHash: hash, body: saleSchema }).nullable(),
    ifDiffers: z.boolean(),
  }),
  /** In `branch:`; key = `lists`. What head office set aside or disputes of the branch: how much, and the first of it. */
  'work-lists': z.looseObject({
    at: instantMs,
    quarantine: z.looseObject({
      waiting: z.int().min(0),
      oldestAt: instantMs.nullable(),
      items: z.array(
        z.looseObject({
          id,
          incarnation: id,
          seq: z.int().min(1),
          kind: z.string(),
          key: z.string(),
          code: z.string(),
          detail: z.string(),
          state: z.string(),
          at: instantMs,
        }),
      ),
    }),
    conflicts: z.looseObject({
      open: z.int().min(0),
      oldestAt: instantMs.nullable(),
      items: z.array(
        z.looseObject({
          id,
          type: z.string(),
          kind: z.string(),
          key: z.string(),
          suggested: z.string(),
          reason: z.string(),
          state: z.string(),
          strategy: z.string().nullable(),
          at: instantMs,
        }),
      ),
    }),
  }),
  /** In `tenant`; key = release id. The number each scope has to reach before the staged records of this release become visible together. */
  release: z.looseObject({ release: id, needs: z.record(z.string(), z.int().min(0)) }),
} as const;

export type FeedKind = keyof typeof FEED_KINDS;
export type FeedBody<K extends FeedKind> = z.infer<(typeof FEED_KINDS)[K]>;

export function isFeedKind(kind: string): kind is FeedKind {
  return Object.hasOwn(FEED_KINDS, kind);
}
