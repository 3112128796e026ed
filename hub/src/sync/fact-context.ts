/** Whose lines are projected, and out of which history. */
export type FactContext = {
  tenantId: string;
  branchId: string;
  incarnation: string;
  /** Of the branch; gives the hour of a sale. */
  timeZone: string;
  /** Of the branch, in which it sells. */
  currency: string;
  nowMs: number;
  /** The rows are made anew, and after them the sums: nothing is added to these on the way. */
  isRebuild?: true;
};
