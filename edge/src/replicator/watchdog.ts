import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { Store } from '../store/store.js';
import { queueLength, readStreams, type Stream } from './push-state.js';
import { logSync, type SyncLogEntry } from './sync-log.js';

export type WatchdogParts = {
  store: Pick<Store, 'reads' | 'writer'>;
  clock: Clock;
  line(): 'up' | 'down';
  alarm(message: string): void;
};

const LOOK_MS = 60_000;
/** Longer than any pause between two attempts, and than any push that a hub works on. */
const STUCK_MS = 15 * 60_000;
/** Told again, so that whoever begins his day reads it. */
const TELL_AGAIN_MS = 4 * 3_600_000;

/**
 * Sees from outside of the loops that the journal grows and nothing of it is acknowledged, whatever the reason: a line
 * that is away, a hub that answers and takes nothing, a loop that hangs.
 */
export class Watchdog {
  private appliedLines: number | null = null;
  /** When it last moved; null while nothing waits. */
  private sinceMs: number | null = null;
  private toldAtMs: number | null = null;

  constructor(private readonly parts: WatchdogParts) {}

  /** For how long nothing was acknowledged although something waits. */
  stuckMs(): number {
    return this.sinceMs === null ? 0 : this.parts.clock.now() - this.sinceMs;
  }

  @Interval(LOOK_MS)
  async look(): Promise<void> {
    const { store, clock, alarm } = this.parts;
    const entry = this.judge(readStreams(store.reads), clock.now());
    if (entry === null) return;
    await store.writer.write(logSync, { entries: [entry] });
    if (entry.level === 'incident') alarm(entry.detail);
  }

  private judge(streams: readonly Stream[], nowMs: number): SyncLogEntry | null {
    const appliedLines = streams.reduce((sum, { appliedSeq }) => sum + appliedSeq, 0);
    const queue = queueLength(streams);
    if (queue === 0 || this.sinceMs === null || appliedLines !== this.appliedLines) {
      const wasTold = this.toldAtMs !== null;
      this.appliedLines = appliedLines;
      this.sinceMs = queue === 0 ? null : nowMs;
      this.toldAtMs = null;
      return wasTold ? { level: 'info', event: 'moving-again', detail: 'the hub takes lines again' } : null;
    }
    // A clock that is set back must not make it wait for years.
    this.sinceMs = Math.min(this.sinceMs, nowMs);
    if (this.toldAtMs !== null) this.toldAtMs = Math.min(this.toldAtMs, nowMs);
    const stuckMs = nowMs - this.sinceMs;
    if (stuckMs < STUCK_MS || (this.toldAtMs !== null && nowMs - this.toldAtMs < TELL_AGAIN_MS)) return null;
    this.toldAtMs = nowMs;
    const minutes = Math.round(stuckMs / 60_000);
    const isAway = this.parts.line() === 'down';
    const why = isAway ? 'the line is down' : 'the hub answers, and takes none';
    const detail = `${queue} lines wait and none was acknowledged for ${minutes} minutes: ${why}`;
    return { level: isAway ? 'warning' : 'incident', event: 'not-acknowledged', detail };
  }
}
