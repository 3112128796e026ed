const ROUND_MS = 1_500;
const BACKOFF_MS_MAX = 15_000;

/**
 * Looks again and again: one look at a time, not while the tab is hidden, further apart while the hub does not answer.
 * `look` says whether it was answered.
 */
export class Watch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looking: Promise<void> | null = null;
  private again = false;
  private isRunning = false;
  private failures = 0;

  constructor(private readonly look: () => Promise<boolean>) {
    document.addEventListener('visibilitychange', () => this.now());
  }

  start(): void {
    this.isRunning = true;
    this.failures = 0;
    this.now();
  }

  stop(): void {
    this.isRunning = false;
    clearTimeout(this.timer);
  }

  /** At once, or right after the look that is under way. */
  now(): void {
    if (!this.isRunning || document.hidden) return;
    clearTimeout(this.timer);
    if (this.looking !== null) this.again = true;
    else this.looking = this.round().finally(() => (this.looking = null));
  }

  private async round(): Promise<void> {
    do {
      this.again = false;
      this.failures = (await this.isAnswered()) ? 0 : this.failures + 1;
    } while (this.again && this.isRunning && !document.hidden);
    if (!this.isRunning || document.hidden) return;
    this.timer = setTimeout(() => this.now(), Math.min(ROUND_MS * 2 ** this.failures, BACKOFF_MS_MAX));
  }
  /** A defect is reported, and is no reason to stop: a page that stands still looks like one that is up to date. */
  private async isAnswered(): Promise<boolean> {
    try {
      return await this.look();
    } catch (error) {
      reportError(error);
      return false;
    }
  }
}
