import { z } from 'zod';
import { BadBundle } from './bundle.js';
import { scopeSchema } from './feed.js';
import { hash, id } from './kinds/fields.js';
import { PUSH_DECOMPRESSED_BYTES_MAX } from './push.js';
import { snapshotFactsSchema } from './snapshot.js';

/*
 * What is inside: records, each `length of label (4) · length of body (4) · label · body`, lengths big-endian. The label is
 * JSON and says what the body is; bodies are just what would go over the line, compressed alone.
 *
 * Up: a `hello` (request), `wants`, `person-keys`, then `push`es: keys before the lines that name their persons. Down: a
 * `hello` (answer), then of each scope parts of its `snapshot`, `page`s in order, and the `person-keys` of the customers in
 * them; `lines` of the branch's histories. Records of a kind that is not known are passed over: the next bundle brings anew
 * what was not taken.
 */
export const recordLabelSchema = z.union([
  z.looseObject({ kind: z.literal('hello'), encoding: z.literal('br') }),
  z.looseObject({
    kind: z.literal('push'),
    encoding: z.literal('br'),
    mediaType: z.string().max(100),
    incarnation: id,
    fromSeq: z.int().min(1),
    lastSeq: z.int().min(1),
  }),
  z.looseObject({
    kind: z.literal('page'),
    encoding: z.literal('br'),
    scope: scopeSchema,
    /** Of its records; `last` of none is where its reader stands. */
    first: z.int().min(1),
    last: z.int().min(0),
  }),
  z.looseObject({ kind: z.literal('wants'), encoding: z.literal('br') }),
  z.looseObject({ kind: z.literal('person-keys'), encoding: z.literal('br') }),
  z.looseObject({
    kind: z.literal('lines'),
    encoding: z.literal('br'),
    incarnation: id,
    fromSeq: z.int().min(1),
    lastSeq: z.int().min(1),
  }),
  z.looseObject({
    kind: z.literal('snapshot'),
    /** The body is a piece of the file as the line sends it with `br`, from byte `from` of its `fileBytes` on. */
    encoding: z.literal('identity'),
    scope: scopeSchema,
    from: z.int().min(0),
    fileBytes: z.int().min(1),
    /** Of the file as it is sent; its `ETag` by line. */
    fileSha256: hash,
    facts: snapshotFactsSchema,
  }),
]);
export type RecordLabel = z.infer<typeof recordLabelSchema>;
export type BundleRecord = { label: RecordLabel; body: Buffer };

/** Body at `bodyAt` of the plain text; `label` null: of a kind that is not known here. */
export type RecordPlace = { label: RecordLabel | null; bodyAt: number; bodyBytes: number };

const LENGTHS_BYTES = 8;
const LABEL_BYTES_MAX = 2 * 1024;
/** A compressed push or page of the largest size has less. */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024;
export const RECORD_INFLATED_BYTES_MAX = PUSH_DECOMPRESSED_BYTES_MAX;
/** Their places are kept in memory: some 20 MB. */
export const RECORDS_MAX = 100_000;

export function encodeRecord({ label, body }: BundleRecord): Buffer[] {
  const text = Buffer.from(JSON.stringify(label), 'utf8');
  if (text.length > LABEL_BYTES_MAX || body.length > RECORD_BYTES_MAX)
    throw new Error(`a record of ${text.length} and ${body.length} bytes`);
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt32BE(text.length, 0);
  lengths.writeUInt32BE(body.length, 4);
  return [lengths, text, body];
}

/** Finds the places of records in plain text that comes piece by piece. Bodies are passed over, never held. */
export class RecordFinder {
  readonly places: RecordPlace[] = [];
  /** Start of the plain text's part that is held: lengths or a label of which the end has not come. */
  private held: Buffer = Buffer.alloc(0);
  private heldAt = 0;
  private skip = 0;

  /** @throws BadBundle */
  add(plain: Buffer): void {
    const skipped = Math.min(this.skip, plain.length);
    this.skip -= skipped;
    this.heldAt += skipped;
    if (skipped === plain.length) return;
    this.held = Buffer.concat([this.held, plain.subarray(skipped)]);
    while (this.skip === 0 && this.takeOne());
  }

  /** @throws BadBundle when the last record is not whole */
  end(): readonly RecordPlace[] {
    if (this.held.length > 0 || this.skip > 0) throw new BadBundle('malformed', 'its last record is not whole');
    return this.places;
  }

  private takeOne(): boolean {
    if (this.held.length < LENGTHS_BYTES) return false;
    const [labelBytes, bodyBytes] = [this.held.readUInt32BE(0), this.held.readUInt32BE(4)];
    if (labelBytes > LABEL_BYTES_MAX || bodyBytes > RECORD_BYTES_MAX)
      throw new BadBundle('malformed', 'a record of it is larger than allowed');
    const bodyFrom = LENGTHS_BYTES + labelBytes;
    if (this.held.length < bodyFrom) return false;
    if (this.places.length === RECORDS_MAX) throw new BadBundle('malformed', `more than ${RECORDS_MAX} records`);
    const label = labelOf(this.held.subarray(LENGTHS_BYTES, bodyFrom));
    this.places.push({ label, bodyAt: this.heldAt + bodyFrom, bodyBytes });
    const here = Math.min(this.held.length, bodyFrom + bodyBytes);
    this.skip = bodyFrom + bodyBytes - here;
    this.held = this.held.subarray(here);
    this.heldAt += here;
    return this.held.length > 0;
  }
}

function labelOf(bytes: Buffer): RecordLabel | null {
  try {
    return recordLabelSchema.safeParse(JSON.parse(bytes.toString('utf8'))).data ?? null;
  } catch {
    throw new BadBundle('malformed', 'a label of it is not JSON');
  }
}
