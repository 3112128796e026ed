const TOLD_MAX = Number.MAX_SAFE_INTEGER;

/** A column of seqs as a number can tell it: what was written beyond 2^53 is no line's, and is to be named. */
export const toldSeq = (column: string): string =>
  // Null stays null, which least() would pass over.
  `CASE WHEN ${column} > ${TOLD_MAX} THEN ${TOLD_MAX} ELSE ${column} END`;
