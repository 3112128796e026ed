import type { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';

/** What a round comes to: when the next one is due. `waiting`: after trouble, so a nudge does not hurry it. */
export type RoundEnd = { kind: 'idle'; afterMs: number } | { kind: 'waiting'; afterMs: number } | { kind: 'halted' };

/**
 * Work that reschedules itself and never overlaps itself. A nudge brings an idle loop forward, `force` any loop, also one
 * that has halted; while a round runs both make another follow it.
 */
export class Loop {
  private running: Promise<void> | null = null;
  private again: 'no' | 'nudged' | 'forced' = 'no';
  private state: RoundEnd['kind'] = 'idle';
  private stopped = true;
  private dueAtMs: number | null = null;

  constructor(
    private readonly name: string,
    private readonly registry: SchedulerRegistry,
    private readonly clock: Clock,
    private readonly round: (forced: boolean) => Promise<RoundEnd>,
  ) {}

  /** When the next round is due, epoch ms; null while one runs and when none is planned. */
  get nextAtMs(): number | null {
    return this.dueAtMs;
  }

  /** After trouble, and nothing runs: only time or force begins the next round. */
  get isWaiting(): boolean {
    return this.state === 'waiting' && this.running === null;
  }

  start(afterMs: number): void {
    this.stopped = false;
    this.plan({ kind: 'idle', afterMs });
  }

  nudge(): void {
    if (this.running !== null) this.again = this.again === 'forced' ? 'forced' : 'nudged';
    else if (this.state === 'idle') this.plan({ kind: 'idle', afterMs: 0 });
  }

  force(): void {
    if (this.stopped) return;
    if (this.running !== null) this.again = 'forced';
    else this.run(true);
  }

  /** Resolves when no round runs and none will. Whoever stops it aborts what the round waits for. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.unplan();
    await this.running;
  }

  private run(forced: boolean): void {
    this.unplan();
    this.again = 'no';
    // A round answers for its own failures and always ends; a rejection here is left to end the process.
    this.running = this.round(forced).then((end) => this.ended(end));
  }

  private ended(end: RoundEnd): void {
    this.running = null;
    if (this.stopped) return;
    if (this.again === 'forced') return this.run(true);
    this.plan(this.again === 'nudged' && end.kind === 'idle' ? { kind: 'idle', afterMs: 0 } : end);
  }

  private plan(end: RoundEnd): void {
    if (this.stopped) return;
    this.unplan();
    this.state = end.kind;
    if (end.kind === 'halted') return;
    this.dueAtMs = this.clock.now() + end.afterMs;
    // Timers above 2^31 ms fire at once; every bound here is far below.
    const timer = setTimeout(() => this.run(false), end.afterMs);
    this.registry.addTimeout(this.name, timer);
  }

  private unplan(): void {
    this.dueAtMs = null;
    if (this.registry.doesExist('timeout', this.name)) this.registry.deleteTimeout(this.name);
  }
}
