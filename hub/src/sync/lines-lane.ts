import { problem } from '@branchline/http/problem.js';

/** Pages being read at once, each up to a push in memory. Boxes that get their lines again leave the others their push. */
const READING_MAX = 2;
const WAITING_MAX = 64;
const RETRY_AFTER_S = 5;

/** A lane of its own: whoever fetches a history waits for others who do, and no push waits for him. */
export class LinesLane {
  private reading = 0;
  private readonly waiting: (() => void)[] = [];

  /** @throws Problem `busy` */
  async read<T>(page: () => Promise<T>): Promise<T> {
    if (this.reading < READING_MAX) this.reading += 1;
    else await this.turn();
    try {
      return await page();
    } finally {
      // The place goes on to the next in line, and is not free in between.
      const next = this.waiting.shift();
      if (next) next();
      else this.reading -= 1;
    }
  }

  private turn(): Promise<void> {
    if (this.waiting.length >= WAITING_MAX)
      throw problem('busy', 'Too many boxes fetch their lines at once.', {
        headers: { 'retry-after': String(RETRY_AFTER_S) },
      });
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
