import { isUtf8 } from 'node:buffer';
import { LINE_SHAPES, UnsoundBody, upcast, type KindShapes } from '@branchline/replication/contracts.js';
import {
  LINE_BYTES_MAX,
  MalformedLine,
  decodeLine,
  describeIssues,
  lineSchema,
  type JournalLine,
} from '@branchline/replication/line.js';
import {
  JOURNAL_KINDS,
  isJournalKind,
  type JournalBody,
  type JournalKind,
} from '@branchline/replication/kinds/registry.js';
import type { ReceivedLine } from '@branchline/replication/push.js';
import { faultOfLabel } from '@branchline/replication/label-faults.js';
import { parentsOf } from './parents.js';
import { quickCheck } from './quick-check.js';
import { faultOfSale } from '@branchline/replication/sale-faults.js';
import { findUnstorable, storableText } from './storable.js';

/** Why a line is not projected. `held`: nothing is wrong with it, a later version of the hub will know it. */
export type SetAside = {
  seq: number;
  kind: string;
  key: string;
  code: SetAsideCode;
  /** One line for the person who mends it. */
  detail: string;
  held: boolean;
  /** Lines whose facts it needs and that are not there, as `kind:key`. */
  waitsFor?: readonly string[];
};

export type SetAsideCode =
  | 'malformed-line'
  | 'line-too-large'
  | 'unknown-kind'
  | 'newer-contract'
  | 'misplaced-kind'
  | 'invalid-body'
  | 'key-differs'
  | 'content-hash-differs'
  | 'unstorable-text'
  | 'number-out-of-range'
  | 'sums-differ'
  | 'foreign-currency'
  | 'data-mismatch'
  | 'waits-for-parent'
  | 'projection-failed'
  | 'not-tried';

export type ReadyLine = { [K in JournalKind]: LineOfKind<K> }[JournalKind];
export type LineOfKind<K extends JournalKind> = {
  kind: K;
  seq: number;
  key: string;
  atMs: number;
  contentHash: string;
  /** Lines without whose facts this one is none, as `kind:key`; of nearly all of them none. */
  waitsFor: readonly string[];
  body: JournalBody<K>;
};

/** What a line says of itself; empty where it does not. */
export type LineLabel = { kind: string; key: string; atMs: number };
export type LineReading = { label: LineLabel; ready: ReadyLine } | { label: LineLabel; setAside: SetAside };

/** The line says another seq than the place where it stands: its box's journal is not dense. */
export class WrongSeq extends Error {}

type Shapes = Readonly<Record<JournalKind, KindShapes>>;

const DETAIL_CHARACTERS_MAX = 300;
const KEY_CHARACTERS_MAX = 100;
const INSTANT_MS_MAX = 253_402_300_799_999;

/**
 * Reads one line of a stream for projection. Pure; whatever a box may sign comes back as set aside, never as a failure.
 * @param said what JSON says in the bytes, where it is known @param shapes of each kind, today's and before @throws WrongSeq
 */
export function readLine(
  bytes: Buffer,
  seq: number,
  said?: ReceivedLine['value'],
  shapes: Shapes = LINE_SHAPES,
): LineReading {
  if (bytes.length > LINE_BYTES_MAX) return setAside(seq, null, 'line-too-large', `${bytes.length} bytes`);
  if (said === undefined && !isUtf8(bytes)) return setAside(seq, null, 'malformed-line', 'not UTF-8');
  const value = said === undefined ? jsonOf(bytes.toString('utf8')) : said;
  let line: JournalLine;
  try {
    line = isLine(value) ? value : decodeLine(bytes);
  } catch (error) {
    if (error instanceof MalformedLine) return setAside(seq, null, 'malformed-line', error.message, false, value);
    throw error;
  }
  if (line.seq !== seq) throw new WrongSeq(`the line at ${seq} says it is ${line.seq}`);
  return readDecoded(line, bytes, shapes);
}

const isLine = quickCheck(lineSchema);
const IS_BODY: { [K in JournalKind]: (body: unknown) => boolean } = {
  'incarnation-open': quickCheck(JOURNAL_KINDS['incarnation-open']),
  'device-enrol': quickCheck(JOURNAL_KINDS['device-enrol']),
  'shift-open': quickCheck(JOURNAL_KINDS['shift-open']),
  sale: quickCheck(JOURNAL_KINDS.sale),
  'shift-close': quickCheck(JOURNAL_KINDS['shift-close']),
  'day-seal': quickCheck(JOURNAL_KINDS['day-seal']),
  'customer-edit': quickCheck(JOURNAL_KINDS['customer-edit']),
};

/** @returns undefined for what is no JSON */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const ESCAPE = Buffer.from('\\u');

function readDecoded(line: JournalLine, bytes: Buffer, shapes: Shapes): LineReading {
  const { seq, kind, contract } = line;
  if (!isJournalKind(kind)) return setAside(seq, line, 'unknown-kind', kind, true);
  const { since } = shapes[kind];
  // What opens a history is read under any contract: were it held, every line after it would be refused.
  if (contract > since && kind !== 'incarnation-open')
    return setAside(seq, line, 'newer-contract', `${kind} of contract ${contract}, known here up to ${since}`, true);
  // Only an escape can carry NUL or half a surrogate pair: raw ones are no UTF-8 or no JSON. And nested too deep to be
  // written as JSON again, which ends the push and not the line, can only be what is kept as JSON: nothing of a sale.
  const unstorable = kind !== 'sale' || bytes.includes(ESCAPE) ? findUnstorable(line) : null;
  if (unstorable?.code === 'number-out-of-range') return setAside(seq, line, unstorable.code, unstorable.at);
  if (unstorable) return setAside(seq, line, unstorable.code, `text that cannot be stored at ${unstorable.at}`);
  if (line.at > INSTANT_MS_MAX) return setAside(seq, line, 'number-out-of-range', 'at');
  try {
    return readBody(line, kind, contract > since ? line.body : upcast(shapes[kind], contract, line.body));
  } catch (error) {
    if (error instanceof UnsoundBody) return setAside(seq, line, 'invalid-body', error.message);
    throw error;
  }
}

/** @param body in the shape of today */
function readBody(line: JournalLine, kind: JournalKind, body: JournalLine['body']): LineReading {
  const { seq, key, at, contentHash } = line;
  const parsed = IS_BODY[kind](body) ? { success: true as const, data: body } : JOURNAL_KINDS[kind].safeParse(body);
  if (!parsed.success) return setAside(seq, line, 'invalid-body', describeIssues(parsed.error));
  const lie = faultOfLabel(kind, body === line.body ? line : { ...line, body });
  if (lie) return setAside(seq, line, lie.code, lie.detail);
  // The schema was chosen by the kind, which the compiler does not follow through the table.
  const waitsFor = parentsOf(kind, line.refs);
  const ready = { kind, seq, key, atMs: at, contentHash, waitsFor, body: parsed.data } as ReadyLine;
  const fault = faultOf(ready);
  if (fault) return setAside(seq, line, fault.code, fault.detail);
  return { label: labelOf(line), ready };
}

function faultOf(line: ReadyLine): { code: SetAsideCode; detail: string } | null {
  if (line.kind === 'incarnation-open' && line.seq !== 1)
    return { code: 'misplaced-kind', detail: 'an incarnation opens with its first line' };
  if (line.kind === 'sale') return faultOfSale(line.body);
  return null;
}

function setAside(
  seq: number,
  line: JournalLine | null,
  code: SetAsideCode,
  detail: string,
  held = false,
  said?: unknown,
): LineReading {
  const label = line === null ? labelSaid(said) : labelOf(line);
  return {
    label,
    setAside: {
      seq,
      kind: label.kind,
      key: label.key,
      code,
      detail: storableText(detail, DETAIL_CHARACTERS_MAX),
      held,
    },
  };
}

function labelOf(line: JournalLine): LineLabel {
  return { kind: line.kind, key: storableText(line.key, KEY_CHARACTERS_MAX), atMs: Math.min(line.at, INSTANT_MS_MAX) };
}

const LABEL = { kind: lineSchema.shape.kind, key: lineSchema.shape.key };

/** Of what is no line: as much as it says in the way of one, so that people see what it may have been. */
function labelSaid(said: unknown): LineLabel {
  const { kind, key } = typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : {};
  const [ofKind, ofKey] = [LABEL.kind.safeParse(kind), LABEL.key.safeParse(key)];
  return { kind: ofKind.data ?? '', key: storableText(ofKey.data ?? '', KEY_CHARACTERS_MAX), atMs: 0 };
}
