import type { JournalKind } from '@branchline/replication/kinds/registry.js';

type ParentKind = 'shift-open' | 'shift-close' | 'sale';

/**
 * Which of the aggregates that a line of a kind names it cannot be without, and which line makes them: by the kind of the
 * reference. A Z closes an opening, a seal takes in Zs, and what takes back a sale needs the sale. All others are named
 * and not waited for: a sale is a fact without its shift, its customer and its device.
 */
const WAITS_FOR: Readonly<Partial<Record<JournalKind, Readonly<Record<string, ParentKind>>>>> = {
  sale: { sale: 'sale' },
  'shift-close': { shift: 'shift-open' },
  'day-seal': { shift: 'shift-close' },
};

/** Where the fact of a parent stands. */
export const PARENT_TABLES: Readonly<Record<ParentKind, string>> = {
  'shift-open': 'shift',
  'shift-close': 'shift_close',
  sale: 'sale',
};

export const PARENT_KINDS = Object.keys(PARENT_TABLES) as ParentKind[];

const NONE: readonly string[] = [];

/** The lines that a line needs, as `kind:key`. @param refs as the line names aggregates, `kind:key` */
export function parentsOf(kind: JournalKind, refs: readonly string[]): readonly string[] {
  const waitsFor = WAITS_FOR[kind];
  if (waitsFor === undefined) return NONE;
  let parents: string[] | null = null;
  for (const ref of refs) {
    const end = ref.indexOf(':');
    const named = ref.slice(0, Math.max(end, 0));
    if (!Object.hasOwn(waitsFor, named)) continue;
    parents ??= [];
    parents.push(`${waitsFor[named]}:${ref.slice(end + 1)}`);
  }
  return parents ?? NONE;
}
