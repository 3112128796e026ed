import type { Tx } from '../database/unit-of-work.js';
import type { LineReading, ReadyLine } from '../sync/read-line.js';
import { tellsTheSame } from '../sync/same-content.js';
import type { Verification } from './answer.js';
import type { Differences } from './differences.js';
import { expectedFact, type FactKind } from './expected-facts.js';
import { storedFacts } from './stored-facts.js';

export type Quarantined = Verification['quarantined'][number];

const NAMED_MAX = 200;
/** Each is projected for a try, in savepoints that are taken back. */
export const TRIED_MAX = 32;

type Place = { id: string; timeZone: string; currency: string };
export type LineToTry = { incarnation: string; seq: number };

/**
 * What waits in quarantine counts in no sum, so it has to be shown that it belongs there: a good sale that somebody moved
 * there would be missing from every report. Why it waits is looked at in its archived bytes; what can be read and stands in
 * nobody's way is projected for a try.
 */
export class QuarantineProof {
  readonly quarantined: Quarantined[] = [];
  readonly toTry: LineToTry[] = [];

  constructor(
    private readonly tx: Tx,
    private readonly branch: Place,
    private readonly differences: Differences,
  ) {}

  /** @param waiting lines of one history, with the code by which each waits */
  async take(
    incarnation: string,
    waiting: readonly { seq: number; code: string; reading: LineReading }[],
  ): Promise<void> {
    for (const { seq, code, reading } of waiting) {
      const { kind, key } = reading.label;
      const why = 'ready' in reading ? await this.reasonOf(reading.ready, code) : 'cannot-be-read';
      if (this.quarantined.length < NAMED_MAX) this.quarantined.push({ incarnation, seq, kind, key, code, why });
      if (why === 'none') {
        const told = `line ${seq} of ${incarnation} (${kind} ${key}) waits in quarantine as ${code}`;
        this.differences.add('quarantine-unfounded', `${told}, and nothing of the kind is wrong with it`);
      }
      if (why === 'refused-when-tried' && this.toTry.length < TRIED_MAX) this.toTry.push({ incarnation, seq });
    }
  }

  private async reasonOf(line: ReadyLine, code: string): Promise<Quarantined['why']> {
    if (code === 'not-tried' || code === 'settled') return code;
    if (code === 'foreign-currency')
      return line.kind === 'sale' && line.body.currency !== this.branch.currency ? 'foreign-currency' : 'none';
    if (code === 'data-mismatch') return (await this.isOther(line)) ? 'other-content' : 'none';
    return FOUND_BY_READING.has(code) ? 'none' : 'refused-when-tried';
  }

  private async isOther(line: ReadyLine): Promise<boolean> {
    const fact = expectedFact(line, this.branch.timeZone);
    if (!fact) return false;
    const stored = await storedFacts(this.tx, this.branch.id, line.kind as FactKind, [fact.id]);
    const row = stored.get(fact.id);
    if (row === undefined) return false;
    return row.contentHash !== line.contentHash || !tellsTheSame(line.kind as FactKind, fact, row);
  }
}

/** What `readLine` says of a line: it says the same of the same bytes, until a later version knows more. */
const FOUND_BY_READING = new Set([
  ...['malformed-line', 'line-too-large', 'unknown-kind', 'newer-contract', 'misplaced-kind', 'invalid-body'],
  ...['unstorable-text', 'number-out-of-range', 'sums-differ', 'key-differs', 'content-hash-differs'],
]);
