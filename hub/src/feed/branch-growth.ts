/** Histories of a branch that have grown since its boxes were last told. */
export type Grown = { tenantId: string; branchId: string; incarnations: string[] };

/** Two boxes that sell all day are told so often of each other; each time a box says hello and fetches. */
const TOLD_MS_MIN = 5_000;
/** A branch has one box: not asked about again while the same history grows. Whoever joins it says hello by itself. */
const ALONE_MS = 300_000;
/** More branches than one process serves; then all of it is learnt again. */
const BRANCHES_MAX = 50_000;

type Branch = {
  tenantId: string;
  toldAtMs: number;
  grown: Set<string>;
  alone: { incarnation: string; untilMs: number } | null;
};

/** Which branches' boxes are to be told, and not too often. Knows nothing of time and database: it is told. */
export class BranchGrowth {
  private readonly branches = new Map<string, Branch>();
  private readonly due = new Set<string>();

  get isAnyDue(): boolean {
    return this.due.size > 0;
  }

  /** @returns whether the branch is to be told of, now or later */
  note(
    { tenantId, branchId, incarnation }: { tenantId: string; branchId: string; incarnation: string },
    nowMs: number,
  ): boolean {
    const branch = this.branches.get(branchId) ?? this.begun(tenantId, branchId);
    const { alone } = branch;
    if (alone !== null && alone.incarnation === incarnation && nowMs < alone.untilMs) return false;
    branch.alone = null;
    branch.grown.add(incarnation);
    this.due.add(branchId);
    return true;
  }

  /** Those whose turn it is. A clock that was set back holds up nobody for longer than that. */
  takeDue(nowMs: number): Grown[] {
    const taken: Grown[] = [];
    for (const branchId of this.due) {
      const branch = this.branches.get(branchId);
      if (branch === undefined) throw new Error(`branch ${branchId} is due and not known`);
      const sinceMs = nowMs - branch.toldAtMs;
      if (sinceMs >= 0 && sinceMs < TOLD_MS_MIN) continue;
      this.due.delete(branchId);
      taken.push({ tenantId: branch.tenantId, branchId, incarnations: [...branch.grown] });
      branch.grown.clear();
      branch.toldAtMs = nowMs;
    }
    return taken;
  }

  /** Nobody was there to be told. */
  noteAlone({ branchId, incarnations }: Grown, nowMs: number): void {
    const branch = this.branches.get(branchId);
    const [incarnation] = incarnations;
    if (branch !== undefined && incarnation !== undefined && incarnations.length === 1)
      branch.alone = { incarnation, untilMs: nowMs + ALONE_MS };
  }

  private begun(tenantId: string, branchId: string): Branch {
    if (this.branches.size >= BRANCHES_MAX) {
      this.branches.clear();
      this.due.clear();
    }
    const branch: Branch = { tenantId, toldAtMs: -Infinity, grown: new Set(), alone: null };
    this.branches.set(branchId, branch);
    return branch;
  }
}
