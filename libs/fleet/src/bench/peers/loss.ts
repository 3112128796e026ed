import type { Loss } from './subject.js';

/** What the client was filled with against what the server has; what it has altered counts as lost. */
export function lossOf(known: readonly string[], there: readonly string[]): Loss {
  const distinct = new Set(there);
  return { lost: known.filter((sale) => !distinct.has(sale)).length, doubled: there.length - distinct.size };
}
