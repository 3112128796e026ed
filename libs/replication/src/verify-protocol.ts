import { z } from 'zod';
import { feedRecordSchema, scopeSchema } from './feed.js';
import { hash, id, instantMs } from './kinds/fields.js';

/** What an edge may find when it proves itself; contract, since people and programs read them. */
export const EDGE_DIFFERENCES = {
  file: 'SQLite’s own check of the file failed',
  'journal-line': 'a line’s bytes do not lead to the hash that was kept with them, or cannot be read or applied',
  'journal-gap': 'lines of a history are not in the journal',
  'journal-head': 'the head is not where the journal ends',
  'missing-row': 'what a line of the journal says has no row',
  'altered-row': 'a row says what the journal does not',
  'extra-row': 'a row comes from no line of the journal',
  'day-sums': 'money, quantity or baskets of a business date are not those of the journal',
  'feed-missing': 'a record of head office is not in the rows',
  'feed-altered': 'rows say of a record what head office does not',
  'feed-extra': 'rows stand for a record that head office does not have',
  fork: 'head office has another history under the same name',
  'hub-claims-lines': 'head office says that it has lines that this box never wrote',
  'hub-lost-lines': 'head office no longer has lines that it acknowledged',
  'hub-durable': 'head office calls lines durable that it does not have',
  'hub-digest': 'the sums that head office gives of its feed are not those of its records',
  'hub-feed': 'a feed of head office is not what its own chain says',
} as const;
export type EdgeWhat = keyof typeof EDGE_DIFFERENCES;

const what = z.enum(Object.keys(EDGE_DIFFERENCES) as [EdgeWhat, ...EdgeWhat[]]);
export const edgeDifferenceSchema = z.looseObject({ what, detail: z.string().max(400) });
export type EdgeDifference = z.infer<typeof edgeDifferenceSchema>;

export const FEED_BUCKETS = 256;

/** `sum`: 32 hex digits, modulo 2^128. Buckets without records are not listed. */
export const bucketSchema = z.looseObject({
  bucket: z
    .int()
    .min(0)
    .max(FEED_BUCKETS - 1),
  count: z.int().min(1),
  sum: z.string().regex(/^[0-9a-f]{32}$/),
});
export type BucketSum = z.infer<typeof bucketSchema>;

const position = { scope: scopeSchema, number: z.int().min(0), hash };
const kind = z.string().min(1).max(40);
const key = z.string().min(1).max(200);
export const VERIFY_SCOPES_MAX = 50;
export const VERIFY_BUCKETS_MAX = 16;
export const VERIFY_KEYS_MAX = 200;

/** How far a box has proved itself: kept by the hub as the box's last word. */
export const edgeProofSchema = z.looseObject({
  at: instantMs,
  outcome: z.enum(['equal', 'differs']),
  /** Up to which line rows and journal were compared and the hub's hash was equal; null: nothing is journalled yet. */
  journal: z.looseObject({ incarnation: id, epoch: z.int(), seq: z.int().min(0), hash }).nullable(),
  rows: z.int().min(0),
  feeds: z.array(z.looseObject({ scope: scopeSchema, number: z.int().min(0), records: z.int().min(0) })).max(1000),
  repaired: z.int().min(0),
  differences: z.array(edgeDifferenceSchema).max(200),
  /** Of all differences, also those that are not named. */
  count: z.int().min(0),
});
export type EdgeProof = z.infer<typeof edgeProofSchema>;

/**
 * `POST /sync/v1/verify`, for boxes: sums of what the hub has of a feed as of the box's own cursor, the keys behind a sum
 * that differs, the records behind a key that differs; and, last, what the box found.
 */
export const verifyRequestSchema = z.discriminatedUnion('part', [
  z.strictObject({ part: z.literal('sums'), ...position }),
  z.strictObject({
    part: z.literal('keys'),
    ...position,
    kind,
    buckets: z
      .array(
        z
          .int()
          .min(0)
          .max(FEED_BUCKETS - 1),
      )
      .min(1)
      .max(VERIFY_BUCKETS_MAX),
  }),
  z.strictObject({ part: z.literal('records'), ...position, kind, keys: z.array(key).min(1).max(VERIFY_KEYS_MAX) }),
  z.strictObject({ part: z.literal('proof'), proof: edgeProofSchema }),
]);
export type VerifyRequest = z.infer<typeof verifyRequestSchema>;

/** `newest`: of the scope. A cursor that is not on this feed is refused with `feed-fork` or `feed-gone`. */
export const verifySumsSchema = z.looseObject({
  part: z.literal('sums'),
  newest: z.int().min(0),
  kinds: z.array(z.looseObject({ kind: z.string(), buckets: z.array(bucketSchema).max(FEED_BUCKETS) })).max(100),
});
/** Every record of these buckets, by its hash of 128 bits. */
export const verifyKeysSchema = z.looseObject({
  part: z.literal('keys'),
  keys: z.array(z.looseObject({ key: z.string(), version: z.int().min(1), hash: z.string().regex(/^[0-9a-f]{32}$/) })),
});
/** As of the cursor; a key that the hub does not have is not there. */
export const verifyRecordsSchema = z.looseObject({
  part: z.literal('records'),
  records: z.array(feedRecordSchema).max(VERIFY_KEYS_MAX),
});
export const verifyNotedSchema = z.looseObject({ part: z.literal('proof') });
export type VerifySums = z.infer<typeof verifySumsSchema>;
export type VerifyKeys = z.infer<typeof verifyKeysSchema>;
export type VerifyRecords = z.infer<typeof verifyRecordsSchema>;
