import { contentHash } from './content-hash.js';
import type { JournalKind } from './kinds/registry.js';
import type { JournalLine } from './line.js';

type Body = Readonly<Record<string, unknown>>;

/** The member of the body that the line's key is. */
const KEYS: Readonly<Record<JournalKind, string>> = {
  'incarnation-open': 'incarnation',
  'device-enrol': 'device',
  'shift-open': 'id',
  sale: 'id',
  'shift-close': 'id',
  'day-seal': 'businessDate',
  'customer-edit': 'id',
};

/**
 * What nobody sent, a box tells in one way: there the content is the body. Of all else it is what a till or a person sent,
 * which no line shows, or it needs the key of a person.
 */
const HASHED_BY_BODY: ReadonlySet<string> = new Set<JournalKind>(['shift-close', 'day-seal']);

export type LabelFault = { code: 'key-differs' | 'content-hash-differs'; detail: string };

/** Whether a line says of itself what its body bears out, as far as that can be told from the line alone; null: it does. */
export function faultOfLabel(
  kind: JournalKind,
  { key, contentHash: told, body }: Pick<JournalLine, 'key' | 'contentHash' | 'body'>,
): LabelFault | null {
  const member = KEYS[kind];
  const own = (body as Body)[member];
  if (own !== key) return { code: 'key-differs', detail: `the line is about ${String(own)}, its key says otherwise` };
  if (HASHED_BY_BODY.has(kind) && contentHash(body) !== told)
    return { code: 'content-hash-differs', detail: 'contentHash is not that of the body' };
  return null;
}
