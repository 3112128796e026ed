/** A line of a branch, by its history. */
type Place = { incarnation: string; seq: number };

/** One history as the hub holds it, and from which line of which other it branched off. */
type History = { incarnation: string; appliedSeq: number; previous: string | null; previousSeq: number | null };

export type BranchHistory = {
  /** Seals of the date that is asked for, or of later ones; with how many tills were listed as still holding sales. */
  seals: readonly (Place & { tillsHolding: number })[];
  histories: readonly History[];
  /** The first line that waits in quarantine of each history that has any. */
  waiting: readonly Place[];
};

/**
 * `complete`: everything before some seal is applied. A stream is applied in order, so before the seal in its own history
 * nothing is missing; but what that history branched off from has to have come as well. `final`: moreover nothing up to
 * the seal is set aside, and no till was listed with it as still holding sales. Lines of a history that runs beside the
 * seal's count as before it: they may be of any date.
 */
export function judgeSeals({ seals, histories, waiting }: BranchHistory): { complete: boolean; final: boolean } {
  const byId = new Map(histories.map((history) => [history.incarnation, history]));
  const applied = ({ incarnation, seq }: Place): boolean => (byId.get(incarnation)?.appliedSeq ?? 0) >= seq;
  const complete = seals.filter((seal) => lineageOf(seal, byId).every(applied));
  const isFinal = (seal: BranchHistory['seals'][number]): boolean => {
    if (seal.tillsHolding > 0) return false;
    const later = followersOf(seal, histories);
    return !waiting.some(({ incarnation, seq }) =>
      incarnation === seal.incarnation ? seq <= seal.seq : !later.has(incarnation),
    );
  };
  return { complete: complete.length > 0, final: complete.some(isFinal) };
}

/** Histories that branched off behind the seal, and those that branched off from them. Each is looked at once: a box may open any number. */
function followersOf(seal: Place, histories: readonly History[]): Set<string> {
  const branches = new Map<string, History[]>();
  for (const history of histories) {
    const { previous } = history;
    if (previous !== null) listIn(branches, previous).push(history);
  }
  const found = new Set<string>();
  const isBehind = ({ previous, previousSeq }: History): boolean =>
    previous !== seal.incarnation || (previousSeq ?? 0) >= seal.seq;
  // A set is walked in the order of what is added to it on the way.
  const walked = new Set([seal.incarnation]);
  for (const incarnation of walked) {
    for (const next of branches.get(incarnation) ?? []) {
      if (!isBehind(next) || next.incarnation === seal.incarnation) continue;
      walked.add(next.incarnation);
      found.add(next.incarnation);
    }
  }
  return found;
}

function listIn(lists: Map<string, History[]>, key: string): History[] {
  let list = lists.get(key);
  if (list === undefined) lists.set(key, (list = []));
  return list;
}

/** The place itself, and in each history that leads to it the last line that does; a box may claim a circle. */
function lineageOf(place: Place, byId: ReadonlyMap<string, History>): Place[] {
  const lineage = new Map<string, Place>();
  for (let at: Place | null = place; at && !lineage.has(at.incarnation);) {
    lineage.set(at.incarnation, at);
    const { previous = null, previousSeq = null }: Partial<History> = byId.get(at.incarnation) ?? {};
    at = previous === null ? null : { incarnation: previous, seq: previousSeq ?? 0 };
  }
  return [...lineage.values()];
}
