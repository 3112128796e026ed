import { problem, type Problem } from '@branchline/http/problem.js';

/**
 * How much of pushes the hub has in hand. Admission comes before a body is read, so that ten thousand boxes coming back at
 * once cost ten thousand short answers and no memory; those admitted wait in order for one of few places at the database.
 * Room is counted in bytes: counted in heads, sixteen stores on slow lines would shut out the chain.
 */
export class PushLane {
  private readonly boxes = new Map<string, { pushes: number; room: number }>();
  private admittedBytes = 0;
  private waitingBytes = 0;
  private readonly working: Place[] = [];
  private readonly waiting: { place: Place; begin: () => void }[] = [];

  constructor(private readonly limits: PushLaneLimits = PUSH_LANE_LIMITS) {}

  /**
   * @param bytes that the body is going to have
   * @returns how to leave (once; more often does nothing), or null: full
   */
  admit(box: string, bytes: number): (() => void) | null {
    const room = this.roomFor(bytes);
    if (this.admittedBytes + room > this.limits.bytesMax || this.hasItsShare(box, bytes)) return null;
    this.addOf(box, 1, room);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.addOf(box, -1, -room);
    };
  }

  /** Whether the box has as much here as one may have. */
  hasItsShare(box: string, bytes: number): boolean {
    const { pushes, room } = this.boxes.get(box) ?? NOTHING;
    return pushes >= this.limits.perBoxMax || room + this.roomFor(bytes) > this.limits.perBoxBytesMax;
  }

  /**
   * In order, a few at a time, and of one box one: its second would only wait for the first at the database, on a place
   * that others need. Of long ones two: the second is read meanwhile. Long ones leave a place to the others. Whoever hangs
   * up leaves the lane while its push still waits here: hence a limit of its own.
   * @throws Problem `busy`
   */
  async work<T>(box: string, bytes: number, push: () => Promise<T>): Promise<T> {
    const isLong = bytes >= this.limits.longBytesMin;
    const place = { box, isLong };
    if (this.mayBegin(place)) this.working.push(place);
    else await this.turn(place, this.roomFor(bytes));
    try {
      return await push();
    } finally {
      this.working.splice(this.working.indexOf(place), 1);
      this.beginNext();
    }
  }

  private mayBegin({ box, isLong }: Place): boolean {
    const { workingMax, longMax, longPerBoxMax } = this.limits;
    if (this.working.length >= workingMax) return false;
    const own = this.working.filter((place) => place.box === box);
    if (!isLong) return own.length === 0;
    if (own.some((place) => !place.isLong) || own.length >= longPerBoxMax) return false;
    return this.working.filter((place) => place.isLong).length < longMax;
  }

  private async turn(place: Place, room: number): Promise<void> {
    if (this.waitingBytes + room > this.limits.bytesMax) throw busy();
    this.waitingBytes += room;
    await new Promise<void>((begin) => this.waiting.push({ place, begin }));
    this.waitingBytes -= room;
  }

  /** The place goes on to the next in line whose box has none, and is not free in between; a long one's end may begin two. */
  private beginNext(): void {
    for (;;) {
      const at = this.waiting.findIndex(({ place }) => this.mayBegin(place));
      const [next] = at < 0 ? [] : this.waiting.splice(at, 1);
      if (next === undefined) return;
      this.working.push(next.place);
      next.begin();
    }
  }

  private addOf(box: string, pushes: number, room: number): void {
    this.admittedBytes += room;
    const had = this.boxes.get(box) ?? NOTHING;
    const has = { pushes: had.pushes + pushes, room: had.room + room };
    if (has.pushes === 0) this.boxes.delete(box);
    else this.boxes.set(box, has);
  }

  private roomFor(bytes: number): number {
    return Math.max(bytes, this.limits.bytesMin);
  }
}

const NOTHING = { pushes: 0, room: 0 };

type Place = { box: string; isLong: boolean };

/** `bytesMin`: what the smallest push is counted as. `longBytesMin`: from so many on one is long, of which `longMax` work at once, of one box `longPerBoxMax`. */
export type PushLaneLimits = {
  bytesMax: number;
  bytesMin: number;
  perBoxMax: number;
  perBoxBytesMax: number;
  workingMax: number;
  longBytesMin: number;
  longMax: number;
  longPerBoxMax: number;
};

const MEBIBYTE = 1024 * 1024;

/**
 * 16 bodies of the largest size, or 256 of the usual one; four transactions keep two cores and one PostgreSQL busy, of which
 * one is left to stores that sell while others catch up: 100 sales on the wire are long. Four
 * of one box: it sends its next before the first is answered, and again both whose connection died without a word;
 * together no more than two of the largest.
 */
export const PUSH_LANE_LIMITS: PushLaneLimits = {
  bytesMax: 256 * MEBIBYTE,
  bytesMin: MEBIBYTE,
  perBoxMax: 4,
  perBoxBytesMax: 32 * MEBIBYTE,
  workingMax: 4,
  longBytesMin: 8 * 1024,
  longMax: 3,
  longPerBoxMax: 2,
};

/** @param bytes on the wire */
export function isLongPush(bytes: number): boolean {
  return bytes >= PUSH_LANE_LIMITS.longBytesMin;
}

const PUSH_RETRY_AFTER_S = 2;

export function busy(headers: Record<string, string> = {}): Problem {
  return problem('busy', 'Too many pushes at once.', {
    headers: { ...headers, 'retry-after': String(PUSH_RETRY_AFTER_S) },
  });
}
