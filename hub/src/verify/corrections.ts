const NAMED_MAX = 200;
const DETAIL_CHARACTERS_MAX = 300;

export type CorrectedWhat = 'missing-row' | 'altered-row' | 'extra-row' | 'rollup';
export type Corrected = { what: CorrectedWhat; detail: string };

/** What was made anew: the first by name, all by count. */
export class Corrections {
  readonly named: Corrected[] = [];
  readonly countOf = new Map<CorrectedWhat, number>();

  add(what: CorrectedWhat, detail: string, count = 1): void {
    this.countOf.set(what, (this.countOf.get(what) ?? 0) + count);
    if (this.named.length < NAMED_MAX) this.named.push({ what, detail: detail.slice(0, DETAIL_CHARACTERS_MAX) });
  }

  copy(): Corrections {
    const copy = new Corrections();
    copy.named.push(...this.named);
    for (const [what, count] of this.countOf) copy.countOf.set(what, count);
    return copy;
  }

  get count(): number {
    return [...this.countOf.values()].reduce((sum, count) => sum + count, 0);
  }
}
