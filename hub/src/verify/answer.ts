import { z } from 'zod';

/** What kinds of difference there are; contract, since people and programs read them. */
export const DIFFERENCES = {
  'archived-line':
    'a line’s bytes do not lead to the hash that was kept with them, or it is not the line it is kept as',
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
});
export type Verification = z.infer<typeof verificationSchema>;
export type StreamProof = Verification['streams'][number];

export const lastVerificationSchema = z
  .strictObject({ at, outcome: z.enum(['equal', 'differs']), seq: z.int() })
  .nullable()
  .meta({ description: 'the last verification of the branch, with the newest line it has seen; null: never verified' });
export type LastVerification = z.infer<typeof lastVerificationSchema>;
