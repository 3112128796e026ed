import { JOURNAL_KINDS, type JournalKind } from '@branchline/replication/kinds/registry.js';

const KINDS = Object.keys(JOURNAL_KINDS);
/** Lines beyond are of no kind that is known; more than can be verified in the time that there is. */
const SEQ_MAX = 16_000_000;

/** Of which kind the archived lines are, a byte each, those that wait in quarantine aside: who could have made a row. */
export class LineKinds {
  private readonly histories = new Map<string, Buffer>();

  note(incarnation: string, seq: number, kind: string): void {
    if (seq > SEQ_MAX) return;
    let kinds = this.histories.get(incarnation) ?? Buffer.alloc(0);
    if (kinds.length < seq) {
      const longer = Buffer.alloc(Math.min(SEQ_MAX, seq * 2));
      kinds.copy(longer);
      this.histories.set(incarnation, (kinds = longer));
    }
    kinds[seq - 1] = LineKinds.codeOf(kind);
  }

  /** As a statement can look them up: the byte of line n at n − 1, 0 where no line of a known kind is. */
  columns(): { incarnations: string[]; kinds: Buffer[] } {
    return { incarnations: [...this.histories.keys()], kinds: [...this.histories.values()] };
  }

  static codeOf(kind: JournalKind | string): number {
    return KINDS.indexOf(kind) + 1;
  }
}
