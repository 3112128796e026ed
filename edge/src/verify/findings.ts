import type { EdgeDifference, EdgeWhat } from '@branchline/replication/verify-protocol.js';

const NAMED_MAX = 200;
const DETAIL_CHARACTERS_MAX = 300;

/** What a check finds: the first ones by name, all by count. Plain data, since it comes out of another thread. */
export type Findings = { count: number; named: EdgeDifference[] };

export const noFindings = (): Findings => ({ count: 0, named: [] });

/** In the order in which they were found; what is told stays bounded, what is counted does not. */
export function addFindings(to: Findings, more: Findings): void {
  to.count += more.count;
  to.named.push(...more.named.slice(0, Math.max(0, NAMED_MAX - to.named.length)));
}

export class Finder {
  readonly findings: Findings = noFindings();

  add(what: EdgeWhat, detail: string): void {
    addFindings(this.findings, { count: 1, named: [{ what, detail: detail.slice(0, DETAIL_CHARACTERS_MAX) }] });
  }

  /** Those that are not named one by one. */
  addUnnamed(count: number): void {
    this.findings.count += count;
  }
}
