import { z } from 'zod';
import { chainHash } from './chain.js';
import { hash, id } from './kinds/fields.js';

export const PUSH_LINES_MAX = 5_000;
export const PUSH_LINES_FIRST = 500;
export const PUSH_BYTES_FIRST = 1024 * 1024;
/** Of its lines' own bytes, as many as an edge of ours sends at once. */
export const PUSH_BYTES_MAX = 8 * 1024 * 1024;
export const PUSH_BODY_BYTES_MAX = 16 * 1024 * 1024;
export const PUSH_DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;
/** Ours has 500. Read as one piece of JSON, it may not be what a push of lines may be. */
const HEADER_BYTES_MAX = 16 * 1024;

/**
 * First line of a push. `previousHash` is the chain's hash before `fromSeq`, `headHash` after the last line of this push;
 * `signature` is the box's over that head (`head-signature.ts`).
 */
export const pushHeaderSchema = z.looseObject({
  protocol: z.int().min(1),
  incarnation: id,
  fromSeq: z.int().min(1),
  count: z.int().min(1).max(PUSH_LINES_MAX),
  previousHash: hash,
  headHash: hash,
  signature: z.string().max(200),
});

export type PushHeader = z.infer<typeof pushHeaderSchema>;

export const pushAnswerSchema = z.looseObject({
  appliedSeq: z.int().min(0),
  headHash: hash,
  durableSeq: z.int().min(0),
  quarantined: z.array(z.looseObject({ seq: z.int(), code: z.string(), detail: z.string() })),
  directives: z.array(z.looseObject({ kind: z.string() })),
});

export type PushAnswer = z.infer<typeof pushAnswerSchema>;

/** A push that lies about its chain or size, or is cut short; refused whole with 400 `malformed-push`. */
export class MalformedPush extends Error {}

/** How a push comes that everybody can write; `packed/packed-push.ts` has the other one. */
export const PUSH_MEDIA_TYPE = 'application/x-ndjson';

/** NDJSON: the header, then the lines' own bytes, each ended by a newline. */
export function encodePush(header: PushHeader, lines: readonly Buffer[]): Buffer {
  const newline = Buffer.from('\n');
  const parts: Buffer[] = [encodeHeader(header)];
  for (const line of lines) parts.push(line, newline);
  return Buffer.concat(parts);
}

export function encodeHeader(header: PushHeader): Buffer {
  return Buffer.from(`${JSON.stringify(header)}\n`, 'utf8');
}

/** `value`: what JSON says in `bytes`, where whoever took the push apart knows it already. */
export type ReceivedLine = { bytes: Buffer; hash: Buffer; value?: Readonly<Record<string, unknown>> };
export type ReceivedPush = { header: PushHeader; lines: ReceivedLine[] };

/**
 * Takes a push apart, line by line, since whoever does it may have others to serve in between, and proves that its lines
 * lead from `previousHash` to `headHash`. Whether that follows what is held, and who signed it, is the caller's to check.
 */
export class PlainPush {
  readonly header: PushHeader;
  private readonly rest: Buffer;
  private previous: Buffer;
  private at = 0;
  private taken = 0;

  /** @throws MalformedPush */
  constructor(body: Buffer) {
    const { header, rest } = splitHeader(body);
    this.header = header;
    this.rest = rest;
    this.previous = Buffer.from(header.previousHash, 'hex');
  }

  /** @returns null after the last: only then is the push believed @throws MalformedPush */
  next(): ReceivedLine | null {
    const { header, rest, taken } = this;
    if (this.at >= rest.length) {
      if (taken !== header.count) throw new MalformedPush(`${taken} lines where ${header.count} are announced`);
      assertLeadsToHead(header, this.previous);
      return null;
    }
    const stop = rest.indexOf(0x0a, this.at);
    if (stop < 0) throw new MalformedPush('cut short: the last line has no end');
    if (taken === header.count) throw new MalformedPush(`more lines than the ${header.count} announced`);
    const bytes = rest.subarray(this.at, stop);
    this.previous = chainHash(this.previous, bytes);
    this.at = stop + 1;
    this.taken += 1;
    return { bytes, hash: this.previous };
  }
}

/** All of it in one go. @throws MalformedPush */
export function decodePush(body: Buffer): ReceivedPush {
  const push = new PlainPush(body);
  const lines: ReceivedLine[] = [];
  for (let line = push.next(); line !== null; line = push.next()) lines.push(line);
  return { header: push.header, lines };
}

/** The same push without the lines before `fromSeq`, which is one of its own: its signature is of its head and still holds. @throws MalformedPush */
export function pushFrom(body: Buffer, fromSeq: number): Buffer {
  const { header, lines } = decodePush(body);
  const skipped = fromSeq - header.fromSeq;
  const before = lines[skipped - 1];
  const kept = lines.slice(skipped);
  if (before === undefined || kept.length === 0) throw new MalformedPush(`line ${fromSeq} is not behind its first`);
  const from = { fromSeq, count: kept.length, previousHash: before.hash.toString('hex') };
  return encodePush(
    { ...header, ...from },
    kept.map(({ bytes }) => bytes),
  );
}

/** @throws MalformedPush */
export function assertLeadsToHead(header: PushHeader, previous: Buffer): void {
  if (previous.toString('hex') !== header.headHash) throw new MalformedPush('the lines do not lead to headHash');
}

/** @throws MalformedPush */
export function splitHeader(body: Buffer): { header: PushHeader; rest: Buffer } {
  const end = body.indexOf(0x0a);
  if (end < 0) throw new MalformedPush('no header line');
  if (end > HEADER_BYTES_MAX) throw new MalformedPush(`a header over ${HEADER_BYTES_MAX} bytes`);
  return { header: decodeHeader(body.subarray(0, end)), rest: body.subarray(end + 1) };
}

function decodeHeader(bytes: Buffer): PushHeader {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new MalformedPush('the header is not JSON');
  }
  const parsed = pushHeaderSchema.safeParse(value);
  if (!parsed.success)
    throw new MalformedPush(`header: ${parsed.error.issues[0]?.path.join('.')} ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}
