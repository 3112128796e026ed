import { z } from 'zod';

/** A line over this is never written: aggregates that can grow are a header line, part lines and a closing line. */
export const LINE_BYTES_MAX = 256 * 1024;

const uuid = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);

/**
 * One record of a branch's journal: one aggregate, complete. It is serialised once, in the transaction of the write;
 * the same bytes are hashed, shipped, checked and archived.
 * - `seq` dense from 1 in each incarnation · `key` the aggregate's id · `refs` the aggregates it builds on, as `kind:key`
 * - `at` edge's wall clock, epoch milliseconds (never used for order) · `hlc` hybrid logical clock, `ms-counter` in hex
 * - `contentHash` sha256 hex of the canonical JSON as received: the same fact re-made elsewhere has the same one
 */
export const lineSchema = z.looseObject({
  seq: z.int().min(1),
  kind: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  key: z.string().min(1).max(100),
  refs: z.array(z.string().max(150)).max(100),
  contract: z.int().min(1),
  at: z.int().min(0),
  hlc: z.string().regex(/^[0-9a-f]{12}-[0-9a-f]{4}$/),
  actor: z.string().max(64).nullable(),
  device: uuid.nullable(),
  contentHash: z.string().regex(/^[0-9a-f]{64}$/),
  body: z.looseObject({}),
});

export type JournalLine = z.infer<typeof lineSchema>;

export class MalformedLine extends Error {}

/** The line's bytes: UTF-8 JSON text in one line, members in the order of the schema. */
export function encodeLine(line: JournalLine): Buffer {
  const { seq, kind, key, refs, contract, at, hlc, actor, device, contentHash, body } = line;
  return Buffer.from(
    JSON.stringify({ seq, kind, key, refs, contract, at, hlc, actor, device, contentHash, body }),
    'utf8',
  );
}

/** @throws MalformedLine when the bytes are not a line; fields this version does not know are kept. */
export function decodeLine(bytes: Buffer | string): JournalLine {
  let value: unknown;
  try {
    value = JSON.parse(typeof bytes === 'string' ? bytes : bytes.toString('utf8'));
  } catch {
    throw new MalformedLine('not JSON');
  }
  const parsed = lineSchema.safeParse(value);
  if (!parsed.success) throw new MalformedLine(describeIssues(parsed.error));
  return parsed.data;
}

/** One line for a person: where and what, the first three. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'line'}: ${issue.message}`)
    .join('; ');
}
