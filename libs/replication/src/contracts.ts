import type { z } from 'zod';
import type { FeedKind } from './feed.js';
import type { JournalKind } from './kinds/registry.js';
import { describeIssues, type JournalLine } from './line.js';

export type Body = Readonly<Record<string, unknown>>;

/**
 * How bodies of a kind looked before. `upcast` makes of a sound one a body of the shape that followed, and keeps the members
 * that it does not know; it knows nothing but the body, so that it says the same at each end and for ever.
 */
export type PastShape = {
  /** The contract with which this shape came. */
  since: number;
  /** As it was then, never edited. */
  schema: z.ZodType<Record<string, unknown>>;
  upcast(body: Record<string, unknown>): Record<string, unknown>;
};

/** `since`: the contract with which the shape of today came. `past`: those before it, oldest first. */
export type KindShapes = { since: number; past: readonly PastShape[] };

const AS_EVER: KindShapes = { since: 1, past: [] };

/*
 * The one place that says which contract each kind is of. A contract numbers the set of all kinds; a line or a record bears
 * the number of the contract in which its own kind last changed. So whoever is older holds only what has changed since, and
 * goes on with the rest.
 *
 * To change a kind so that what reads it today would misread it: freeze its schema into `past` with the way to the new one,
 * give it the next contract's number here, and the contract a dated line in PROTOCOL.md. A hub that changes a kind of its
 * feed publishes what stands of that kind again: boxes prove their rows by the hashes of its bodies.
 */
export const LINE_SHAPES: Readonly<Record<JournalKind, KindShapes>> = {
  'incarnation-open': AS_EVER,
  'device-enrol': AS_EVER,
  'shift-open': AS_EVER,
  sale: AS_EVER,
  'shift-close': AS_EVER,
  'day-seal': AS_EVER,
  'customer-edit': AS_EVER,
};

export const FEED_SHAPES: Readonly<Record<FeedKind, KindShapes>> = {
  product: AS_EVER,
  price: AS_EVER,
  'tax-class': AS_EVER,
  'branch-settings': AS_EVER,
  operator: AS_EVER,
  'device-code': AS_EVER,
  customer: AS_EVER,
  erasure: AS_EVER,
  correction: AS_EVER,
  'work-lists': AS_EVER,
  release: AS_EVER,
};

/** Number of the set of all kinds, as a box tells it of itself. */
export const CONTRACT: number = Math.max(
  ...[...Object.values(LINE_SHAPES), ...Object.values(FEED_SHAPES)].map(({ since }) => since),
);

/** What a line of this kind bears that is written today. */
export function contractOfLine(kind: JournalKind): number {
  return LINE_SHAPES[kind].since;
}

/** What a record of this kind bears that is published today. */
export function contractOfRecord(kind: FeedKind): number {
  return FEED_SHAPES[kind].since;
}

/** Written by a later release: nothing is wrong with it, and an upgrade here understands it. */
export class NewerContract extends Error {
  constructor(contract: number, known: number) {
    super(`contract ${contract}, known here up to ${known}`);
  }
}

/** It says a contract whose shape it has not, or the way from there does not lead to today's. */
export class UnsoundBody extends Error {}

/**
 * A body as one of the shape of today: the very same where it has it already. Whether it is sound by today's schema is for
 * the reader to say.
 * @param contract that it bears; one from before the kind's first shape is taken for that @throws NewerContract, UnsoundBody
 */
export function upcast({ since, past }: KindShapes, contract: number, body: Record<string, unknown>): typeof body {
  if (contract === since) return body;
  if (contract > since) throw new NewerContract(contract, since);
  const own = past.findLastIndex((shape) => shape.since <= contract);
  return past.slice(Math.max(0, own)).reduce(nextShape, body);
}

function nextShape(body: Record<string, unknown>, { since, schema, upcast: step }: PastShape): typeof body {
  const { error } = schema.safeParse(body);
  if (error !== undefined) throw new UnsoundBody(`as of contract ${since}: ${describeIssues(error)}`);
  try {
    return step(body);
  } catch (error) {
    // A bug of ours, and no reason to take nothing more of who sent it.
    throw new UnsoundBody(
      `the way on from contract ${since}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** The line with its body in the shape of today; the very same where it has it already. @throws NewerContract, UnsoundBody */
export function upcastLine(line: JournalLine, shapes: Readonly<Record<string, KindShapes>> = LINE_SHAPES): JournalLine {
  const kind = shapes[line.kind];
  // A kind that is not known here has no shape to be brought to; its reader says so.
  if (kind === undefined) return line;
  const body = upcast(kind, line.contract, line.body);
  return body === line.body ? line : { ...line, body };
}
