import { problem, type Problem } from '@branchline/http/problem.js';

/**
 * How many pushes the hub has in hand. Admission comes before a body is read, so that ten thousand boxes coming back at
 * once cost ten thousand short answers and no memory; those admitted wait in order for one of few places at the database.
 */
export class PushLane {
  private readonly boxes = new Map<string, number>();
  private admitted = 0;
  private working = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly limits: PushLaneLimits = PUSH_LANE_LIMITS) {}

  /** @returns how to leave (once; more often does nothing), or null: full */
  admit(box: string): (() => void) | null {
    const ofBox = this.boxes.get(box) ?? 0;
    if (this.admitted >= this.limits.admittedMax || ofBox >= this.limits.perBoxMax) return null;
    this.admitted += 1;
    this.boxes.set(box, ofBox + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.admitted -= 1;
      const left = (this.boxes.get(box) ?? 1) - 1;
      if (left === 0) this.boxes.delete(box);
      else this.boxes.set(box, left);
    };
  }

  /**
   * In order, a few at a time. Whoever hangs up leaves the lane while its push still waits here: hence a limit of its own.
   * @throws Problem `busy`
   */
  async work<T>(push: () => Promise<T>): Promise<T> {
    if (this.waiting.length >= this.limits.admittedMax) throw busy();
    if (this.working >= this.limits.workingMax) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.working += 1;
    try {
      return await push();
    } finally {
      // The place goes on to the next in line, and is not free in between.
      const next = this.waiting.shift();
      if (next) next();
      else this.working -= 1;
    }
  }
}

export type PushLaneLimits = { admittedMax: number; perBoxMax: number; workingMax: number };

/**
 * 16 bodies of at most 16 MiB; four transactions keep two cores and one PostgreSQL busy. Two of one box: the second is
 * the retry of one whose connection died without a word.
 */
export const PUSH_LANE_LIMITS: PushLaneLimits = { admittedMax: 16, perBoxMax: 2, workingMax: 4 };
const PUSH_RETRY_AFTER_S = 2;

export function busy(headers: Record<string, string> = {}): Problem {
  return problem('busy', 'Too many pushes at once.', {
    headers: { ...headers, 'retry-after': String(PUSH_RETRY_AFTER_S) },
  });
}
