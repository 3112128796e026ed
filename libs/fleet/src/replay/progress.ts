import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '@branchline/domain/clock.js';

/** Where the lines for who waits go: standard error. */
export interface Screen {
  /** Its width at this moment; null: no terminal. */
  columns(): number | null;
  write(text: string): void;
}

export interface ProgressTotals {
  stores: number;
  baskets: number;
}

const TICK_MS = 1_000;
const LINE_EVERY_TICKS = 10;
/** What starting, killing and stopping a store's edge takes, in baskets: 3 s of a core to 25 ms for each, with its share of a day. */
const STORE_IS_WORTH_BASKETS = 120;
/** Before that much is done nothing can be said about the rest. */
const ESTIMATE_BASKETS_MIN = STORE_IS_WORTH_BASKETS;

/** A line on the screen about how far a replay has come: rewritten on a terminal, else another every ten seconds. */
export class Progress {
  private readonly startedAtMs: number;
  private readonly done: ProgressTotals;
  private underWay = 0;
  private shown = false;

  /** @param before what earlier runs have done */
  constructor(
    private readonly all: ProgressTotals,
    private readonly before: ProgressTotals,
    private readonly parts: { clock: Clock; screen: Screen },
  ) {
    this.startedAtMs = parts.clock.now();
    this.done = { ...before };
  }

  storeBegins(): void {
    this.underWay += 1;
  }

  /** @param isDone its last line is at the hub */
  storeEnds(isDone: boolean): void {
    this.underWay -= 1;
    if (isDone) this.done.stores += 1;
  }

  basketsSold(count: number): void {
    this.done.baskets += count;
  }

  /** @param onTick called once a second, for what else is to be looked at now and then */
  async run(signal: AbortSignal, onTick: (ticks: number) => void): Promise<void> {
    for (let ticks = 1; await pause(TICK_MS, true, { signal }).catch(() => false); ticks += 1) {
      onTick(ticks);
      const { screen } = this.parts;
      const columns = screen.columns();
      // A line that wraps could not be rewritten.
      if (columns !== null) this.rewrite(this.line().slice(0, columns - 1));
      else if (ticks % LINE_EVERY_TICKS === 0) screen.write(`${this.line()}\n`);
    }
    if (this.shown) this.rewrite('');
  }

  line(): string {
    const { all, done, before, underWay } = this;
    const elapsedMs = this.parts.clock.now() - this.startedAtMs;
    const perSecond = elapsedMs === 0 ? 0 : ((done.baskets - before.baskets) / elapsedMs) * 1000;
    const parts = [
      `${done.stores} of ${all.stores} stores, ${underWay} under way`,
      `${grouped(done.baskets)} of ${grouped(all.baskets)} baskets`,
      `${perSecond.toFixed(1)}/s`,
      `${clockTime(elapsedMs)} elapsed`,
    ];
    const restMs = this.restMs(elapsedMs);
    return [...parts, ...(restMs === null ? [] : [`about ${clockTime(restMs)} to go`])].join(' · ');
  }

  /** Null: too early to say. */
  private restMs(elapsedMs: number): number | null {
    const worth = ({ stores, baskets }: ProgressTotals) => stores * STORE_IS_WORTH_BASKETS + baskets;
    const doneNow = worth(this.done) - worth(this.before);
    if (doneNow < ESTIMATE_BASKETS_MIN) return null;
    return (elapsedMs / doneNow) * (worth(this.all) - worth(this.done));
  }

  private rewrite(line: string): void {
    // Back to the first column, and nothing of the longer line before stays.
    this.parts.screen.write(`\r${line}\u001b[K`);
    this.shown = line !== '';
  }
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function clockTime(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
