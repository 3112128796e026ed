/** How a line lies in `journal.applied`. */
export const APPLIED = {
  /** Journalled again: its rows stood already, it moved their reference. */
  again: 0,
  written: 1,
  /** Fetched: written where the fact was not known here. */
  fetched: 2,
  /** Fetched, and its applier would not take it, or there is none in this release, or it is no line at all. */
  held: 3,
  /** It was held, and a later start could take it as a fetched one: after which line stands in `late_line`. */
  late: 4,
  /** It was held when it was journalled again, and is held there: nothing becomes of it here. */
  left: 5,
} as const;

export type Applied = (typeof APPLIED)[keyof typeof APPLIED];
