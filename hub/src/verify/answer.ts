import { z } from 'zod';

/** What kinds of difference there are; contract, since people and programs read them. */
export const DIFFERENCES = {
  'archived-line':
    'a line’s bytes do not lead to the hash that was kept with them, or it is not the line it is kept as',
  'missing-history': 'a history says that it went on from lines that are not here, or are others here',
  'quarantine-unfounded': 'a line waits in quarantine with which nothing is wrong',
  'archive-gap': 'lines of a history are not in the archive',
  'unaccounted-line': 'a line can be neither projected nor found in quarantine',
  'stream-head': 'a stream says another head than its archived lines lead to',
  'head-signature': 'the box did not sign the head that the archived lines lead to',
  'box-key': 'the key of a box is not the one that the hub certified',
  'stream-row': 'a stream says of its history what its first line does not',
  'missing-row': 'a fact of the archive has no row',
  'altered-row': 'a row says what its archived line does not',
  'extra-row': 'a row comes from no archived line',
  'day-sums': 'money, quantity or baskets of a business date are not those of the archive',
  rollup: 'a sum that reports read is not the sum of its rows',
} as const;
export type What = keyof typeof DIFFERENCES;

const hash = z.string().meta({ description: 'SHA-256, hex' });
const at = z.iso.datetime();

export const provedToSchema = z
  .strictObject({ incarnation: z.uuid(), epoch: z.int(), seq: z.int(), hash, at })
  .nullable()
  .meta({
    description:
      'The newest line of the branch up to which hub and box are proved to hold the same history: the chain was recomputed up to it and the box signed ' +
      'the hash it leads to. Moves with every push, since the hub checks the chain and the signature before it acknowledges; a verification proves the ' +
      'bytes as they are stored now. A history that did not hold in the last verification proves nothing until one holds again. Null: nothing is proved.',
  });
export type ProvedTo = z.infer<typeof provedToSchema>;

/** The last word of a box of the branch. */
export const boxWordSchema = z.strictObject({
  box: z.uuid(),
  askedAt: at
    .nullable()
    .meta({ description: 'it was asked to prove itself and has not answered since; null: nothing is asked' }),
  heardAt: at.nullable().meta({ description: 'null: it has never told' }),
  at: at.nullable().meta({ description: 'when it looked, by its own clock' }),
  outcome: z.enum(['equal', 'differs']).nullable(),
  provedTo: z.strictObject({ incarnation: z.uuid(), epoch: z.int(), seq: z.int(), hash }).nullable().meta({
    description: 'the last line up to which its rows are what its journal says, and its journal what the hub has',
  }),
  feeds: z.array(z.strictObject({ scope: z.string(), number: z.int(), records: z.int() })).meta({
    description: 'up to which number of each scope its rows are what the hub summed up',
  }),
  repaired: z.int().meta({ description: 'records that it took again' }),
  differences: z.array(z.strictObject({ what: z.string(), detail: z.string() })).meta({ description: 'at most 200' }),
});
export type BoxWord = z.infer<typeof boxWordSchema>;

export const verificationSchema = z.strictObject({
  branch: z.string(),
  at,
  outcome: z.enum(['equal', 'differs']),
  streams: z
    .array(
      z.strictObject({
        incarnation: z.uuid(),
        epoch: z.int(),
        lines: z.int().meta({ description: 'in the archive' }),
        headSeq: z.int().meta({ description: 'of the last archived line' }),
        headHash: hash.meta({ description: 'to which the archived bytes lead; 64 zeros without lines' }),
        signedByBox: z.boolean().meta({ description: 'by the key that the hub certified, over just this head' }),
      }),
    )
    .meta({ description: 'every history of the branch, the oldest first' }),
  days: z.array(z.strictObject({ businessDate: z.iso.date(), equal: z.boolean() })).meta({
    description: 'archive, rows and rollups agree on money, quantity and baskets, and no row of the date differs',
  }),
  forks: z
    .array(
      z.strictObject({
        incarnation: z.uuid(),
        from: z.strictObject({ incarnation: z.uuid(), seq: z.int() }),
        beside: z.int().meta({ description: 'lines of the other history behind the one from which this one went on' }),
      }),
    )
    .meta({ description: 'histories that went on from within another: a box was restored or copied; both stand' }),
  quarantined: z
    .array(
      z.strictObject({
        ...{ incarnation: z.uuid(), seq: z.int(), kind: z.string(), key: z.string(), code: z.string() },
        why: z
          .enum([
            'cannot-be-read',
            'other-content',
            'foreign-currency',
            'refused-when-tried',
            'not-tried',
            'settled',
            'none',
          ])
          .meta({ description: 'what its archived bytes say of why it waits; none: a difference' }),
      }),
    )
    .meta({ description: 'lines that wait, at most 200: in the archive untouched, and in no sum' }),
  differences: z
    .array(
      z.strictObject({
        what: z.enum(Object.keys(DIFFERENCES) as [What, ...What[]]).meta({
          description: Object.entries(DIFFERENCES)
            .map(([what, meaning]) => `${what}: ${meaning}`)
            .join('; '),
        }),
        detail: z.string(),
      }),
    )
    .meta({ description: 'at most 200; the last one then says how many more there are' }),
  provedTo: provedToSchema,
  boxes: z.array(boxWordSchema).meta({ description: 'what the boxes of the branch say of themselves' }),
});
export type Verification = z.infer<typeof verificationSchema>;
export type StreamProof = Verification['streams'][number];

export const lastVerificationSchema = z
  .strictObject({ at, outcome: z.enum(['equal', 'differs']), seq: z.int() })
  .nullable()
  .meta({ description: 'the last verification of the branch, with the newest line it has seen; null: never verified' });
export type LastVerification = z.infer<typeof lastVerificationSchema>;

export const repairSchema = z.strictObject({
  branch: z.string(),
  at,
  lines: z.int().meta({ description: 'of the archive, from which all was made' }),
  count: z.int().meta({ description: 'rows and sums that were made anew' }),
  corrected: z
    .array(z.strictObject({ what: z.enum(['missing-row', 'altered-row', 'extra-row', 'rollup']), detail: z.string() }))
    .meta({ description: 'at most 200' }),
});
