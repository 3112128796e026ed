import type { Verification, What } from './answer.js';

const NAMED_MAX = 200;
const DETAIL_CHARACTERS_MAX = 300;

/** What a verification finds: the first ones by name, all by count, and which dates and histories they touch. */
export class Differences {
  readonly countOf = new Map<What, number>();
  readonly dates = new Set<string>();
  private readonly named: Verification['differences'] = [];
  private count = 0;

  add(what: What, detail: string, businessDate?: string): void {
    this.count += 1;
    this.countOf.set(what, (this.countOf.get(what) ?? 0) + 1);
    if (businessDate !== undefined) this.dates.add(businessDate);
    if (this.named.length < NAMED_MAX) this.named.push({ what, detail: detail.slice(0, DETAIL_CHARACTERS_MAX) });
  }

  get total(): number {
    return this.count;
  }

  told(): Verification['differences'] {
    const last = this.named.at(-1);
    const untold = this.count - this.named.length;
    if (!last || untold === 0) return [...this.named];
    return [...this.named.slice(0, -1), { ...last, detail: `${last.detail}, and ${untold} more` }];
  }
}
