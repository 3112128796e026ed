import { z } from 'zod';
import { scopeSchema } from './feed.js';
import { code, hash, id, instantMs, rawKey } from './kinds/fields.js';
import { spokenSchema } from './protocol.js';

/** `POST /sync/v1/enrol`: a box trades a one-time code for its place in a branch. Keys are raw public keys, base64url. */
export const enrolRequestSchema = z.strictObject({
  code: z.string().min(8).max(100),
  signingKey: rawKey,
  sealingKey: rawKey,
});

/**
 * The hub's public keys (raw, base64url), which a box keeps beside its own for bundles: `certifyingKey` signs what comes
 * from the hub, and no other one verifies the box's certificate; to `sealingKey` is sealed what goes there. Absent from a
 * hub of before.
 */
export const hubKeysSchema = z.looseObject({ certifyingKey: rawKey, sealingKey: rawKey });
export type HubKeys = z.infer<typeof hubKeysSchema>;

/**
 * `certificate`: compact JWS (EdDSA) of the hub's certifying key over `{tenant, branch, box, signingKey, sealingKey}`.
 * `pepper`: the branch's PIN pepper sealed to the box (`sealing.ts`). `epoch`: the first epoch this box may open.
 * `tenant`, `branch`, `box` are ids; `branchCode` is what people and receipts say.
 */
export const enrolAnswerSchema = z.looseObject({
  tenant: id,
  branch: id,
  branchCode: code,
  box: id,
  certificate: z.string(),
  epoch: z.int().min(1),
  scopes: z.array(scopeSchema),
  pepper: z.string(),
  hubKeys: hubKeysSchema.optional(),
});
export type EnrolAnswer = z.infer<typeof enrolAnswerSchema>;

/** `POST /sync/v1/token`: first with `{box}` → `{nonce, expiresInS}`, then with the signed nonce → `{token, expiresInS}`. */
export const tokenRequestSchema = z.union([
  z.strictObject({ box: id }),
  z.strictObject({ box: id, nonce: z.string().max(100), signature: z.string().max(200) }),
]);
export const nonceAnswerSchema = z.looseObject({ nonce: z.string(), expiresInS: z.int() });
export const tokenAnswerSchema = z.looseObject({ token: z.string(), expiresInS: z.int() });

export const cursorSchema = z.looseObject({
  scope: scopeSchema,
  hubEpoch: id.nullable(),
  number: z.int().min(0),
  /** The feed's chain hash at `number`; 64 zeros at 0. */
  hash,
});
export type Cursor = z.infer<typeof cursorSchema>;

/** Of one branch, as far as one hello names them. Each is a disaster, or a box. */
export const HISTORIES_MAX = 500;

/**
 * A history of the branch that the box does not have whole, also another box's. Keys as the hub certified them: the box
 * proves by them what it fetches (`GET /sync/v1/lines`).
 */
export const historySchema = z.looseObject({
  incarnation: id,
  box: id,
  epoch: z.int().min(1),
  appliedSeq: z.int().min(1),
  headHash: hash,
  signingKey: rawKey,
  sealingKey: rawKey,
  certificate: z.string().max(4_000),
});
export type History = z.infer<typeof historySchema>;

const MEMORY_CHARACTERS_MAX = 8_000;

/** `POST /sync/v1/hello` only reads. `incarnations`: those the box's file knows, newest last; `hashesAt`: positions to compare. */
export const helloRequestSchema = z.looseObject({
  protocol: z.int().min(1),
  version: z.string().max(40),
  contract: z.int().min(1),
  /** `appliedSeq`: what a hub of `hubEpoch` has acknowledged of it. */
  incarnations: z
    .array(z.looseObject({ incarnation: id, seq: z.int().min(0), hash, appliedSeq: z.int().min(0).optional() }))
    .max(HISTORIES_MAX),
  hashesAt: z.array(z.looseObject({ incarnation: id, seq: z.int().min(0) })).max(HISTORIES_MAX),
  cursors: z.array(cursorSchema).max(1000),
  /** Of the process that asks: one box key that is used by two of them in turn is at two places. */
  instance: id.optional(),
  /** As the last hello had it. */
  hubEpoch: id.nullable().optional(),
  /** Of the last answer, unread. */
  memory: z.string().max(MEMORY_CHARACTERS_MAX).optional(),
});
export type HelloRequest = z.infer<typeof helloRequestSchema>;

/** Of one hello; what waits beyond them is in the store's work lists. */
export const HELLO_QUARANTINED_MAX = 100;

export const helloAnswerSchema = z.looseObject({
  hubEpoch: id,
  now: instantMs,
  /** In which this answer is. */
  protocol: z.int().min(1),
  /** Absent from a hub of before, which speaks `protocol` alone. */
  spoken: spokenSchema.optional(),
  scopes: z.array(scopeSchema),
  /** One for each incarnation named that the hub knows. */
  streams: z.array(
    z.looseObject({ incarnation: id, appliedSeq: z.int().min(0), headHash: hash, durableSeq: z.int().min(0) }),
  ),
  /** `hash: null` where the hub has no such line. */
  hashes: z.array(z.looseObject({ incarnation: id, seq: z.int().min(0), hash: hash.nullable() })),
  cursors: z.array(
    z.looseObject({
      scope: scopeSchema,
      verdict: z.enum(['ok', 'fork', 'ahead', 'gone', 'not-yours']),
      newest: z.int().min(0),
    }),
  ),
  /** Absent from a hub of before. */
  histories: z.array(historySchema).max(HISTORIES_MAX).optional(),
  /** Raw public key under which every box's certificate holds. */
  certifyingKey: rawKey.optional(),
  /** Highest that the branch has seen, or that another box of it was granted; 0: none. */
  epoch: z.int().min(0).optional(),
  /** Absent from a hub of before. What the hub had at this answer, for itself to read: the box shows it at its next hello. */
  memory: z.string().max(MEMORY_CHARACTERS_MAX).optional(),
  /** Absent from a hub of before. Of lines that the box does not know to be here: those that wait, as the answer to their push said. */
  quarantined: z
    .array(z.looseObject({ incarnation: id, seq: z.int(), code: z.string(), detail: z.string() }))
    .max(HELLO_QUARANTINED_MAX)
    .optional(),
  /** What the hub wants of the box; one of a kind it does not know it passes over. `verify`: to prove itself. */
  directives: z
    .array(z.looseObject({ kind: z.string() }))
    .max(20)
    .optional(),
});
export type HelloAnswer = z.infer<typeof helloAnswerSchema>;

/**
 * How often the box asks when nothing is new, with every request: without it nobody could tell a box that is away from one
 * that asks once an hour. Absent from a box of before.
 */
export const POLL_MS_HEADER = 'branchline-poll-ms';
export const POLL_MS_MAX = 3_600_000;
