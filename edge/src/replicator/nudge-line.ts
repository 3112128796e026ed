import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { NotNudges, NudgeReader, type NudgeEvent } from '@branchline/replication/nudge.js';
import { retryDelayMs, type Chance, type RetryBounds } from './backoff.js';
import type { HubClient } from './hub-client.js';
import { LineFailure } from './hub-failure.js';
import { Loop, type RoundEnd } from './loop.js';
import type { SyncLogEntry } from './sync-log.js';
import { troubleOf } from './trouble.js';

export type NudgeLineParts = {
  hub: HubClient;
  bounds: RetryBounds;
  clock: Clock;
  chance: Chance;
  timers: SchedulerRegistry;
  signal: AbortSignal;
  silentMsMax: number;
  /** Something is new; also when the stream has come again, since nobody knows what was said meanwhile. */
  onNudge(event: NudgeEvent): void;
  onContact(): void;
  log(entry: SyncLogEntry): Promise<void>;
  /** The hub wants nothing more of this box: the others are to find out, too. */
  onHalted(): void;
};

/**
 * Keeps the stream of nudges open: one round of its loop is one stream. Nothing depends on it: while it is away, and
 * whatever it loses, the polls go on.
 */
export class NudgeLine {
  private readonly loop: Loop;
  /** Streams in a row that did not come or did not last. */
  private attempts = 0;
  private trouble: string | null = null;
  private openedAtMs: number | null = null;
  /** Until then a stream that ends is not one that its token has outlived. */
  private tokenDueAtMs = 0;
  /** A stream that had lasted ended out of turn: its hub stopped, and every box has lost its own with it. */
  private isLost = false;
  private told: Promise<void> = Promise.resolve();

  constructor(private readonly parts: NudgeLineParts) {
    this.loop = new Loop('replicator-nudges', parts.timers, parts.clock, () => this.round());
  }

  get isConnected(): boolean {
    return this.openedAtMs !== null;
  }

  start(): void {
    this.loop.start(0);
  }

  /** The line is known to carry again: a try that waits need not, unless it is its turn among all boxes that it waits for. */
  hurry(): void {
    if (this.loop.isWaiting && this.trouble === 'line-down' && !this.isLost) this.loop.force();
  }

  /** By hand; a stream that is open stays. */
  force(): void {
    if (!this.isConnected) this.loop.force();
  }

  stop(): Promise<void> {
    return this.loop.stop();
  }

  private async round(): Promise<RoundEnd> {
    const { signal } = this.parts;
    this.isLost = false;
    try {
      await this.listen();
      this.ended();
      // Never at once: two boxes with one key (one is a copy) would end each other's streams without a pause.
      return { kind: 'idle', afterMs: this.pauseMs(null) };
    } catch (error) {
      if (signal.aborted) return { kind: 'halted' };
      this.ended();
      return await this.afterTrouble(error);
    } finally {
      this.openedAtMs = null;
      await this.told;
    }
  }

  /** A stream that was ended before it proved its worth counts as a try that failed. */
  private ended(): void {
    const { clock, silentMsMax } = this.parts;
    const isWorth = this.openedAtMs !== null && clock.now() - this.openedAtMs >= silentMsMax;
    this.attempts = isWorth ? 1 : this.attempts + 1;
    this.isLost = isWorth && clock.now() < this.tokenDueAtMs;
  }

  /** Within two seconds of a hub's restart ten thousand boxes would stand at its door; the polls go on meanwhile. */
  private pauseMs(retryAfterMs: number | null): number {
    const { bounds, chance } = this.parts;
    if (this.isLost) return Math.floor(chance() * bounds.retryMsMax);
    return retryDelayMs(this.attempts, bounds, chance, retryAfterMs);
  }

  private listen(): Promise<void> {
    const { hub, silentMsMax, onNudge } = this.parts;
    const reader = new NudgeReader();
    const onPiece = (piece: Buffer): void => {
      for (const event of new Set(read(reader, piece))) onNudge(event);
    };
    return hub.nudges({ silentMsMax, onOpen: () => this.opened(), onPiece });
  }

  private opened(): void {
    const { hub, clock, onContact, onNudge, log } = this.parts;
    this.openedAtMs = clock.now();
    this.tokenDueAtMs = hub.tokenDueAtMs;
    if (this.trouble !== null) {
      const detail = `what is new is told at once again, after ${this.attempts} failed attempts`;
      this.told = log({ level: 'info', event: 'nudges-again', detail });
    }
    this.trouble = null;
    onContact();
    onNudge('pull');
  }

  private async afterTrouble(error: unknown): Promise<RoundEnd> {
    const { log } = this.parts;
    const { event, detail, halt, retryAfterMs } = troubleOf(error);
    const isNews = this.trouble !== event;
    this.trouble = event;
    // What is wrong with box, hub or line the other loops tell; here only that the store waits for its polls again.
    if (isNews)
      await log({ level: 'warning', event: 'nudges-off', detail: `what is new waits for the poll: ${detail}` });
    if (halt) {
      this.parts.onHalted();
      return { kind: 'halted' };
    }
    return { kind: 'waiting', afterMs: this.pauseMs(retryAfterMs) };
  }
}

/** @returns the events that came @throws LineFailure for what is no stream of nudges: a captive portal, a proxy */
function read(reader: NudgeReader, piece: Buffer): NudgeEvent[] {
  try {
    return reader.read(piece);
  } catch (error) {
    if (error instanceof NotNudges) throw new LineFailure(`nudges: ${error.message}`, { cause: error });
    throw error;
  }
}
