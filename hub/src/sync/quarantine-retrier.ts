import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { IngestMetrics } from './ingest-metrics.js';
import { nextWaiting, retryWaiting, type WaitingFor, type WaitingPlace } from './retry-waiting.js';
import { PARENT_TOPIC, UNTRIED_TOPIC } from './set-aside.js';

/** Another process may have taken the push in and died before it came to its lines. */
const SWEEP_MS = 60_000;

/**
 * No fact waits for a person to press a button: lines whose push ran out of savepoints, and those whose parent has come or
 * was mended, are tried right after it, by the clock as a safety net, and what an older version held is tried once at each
 * start. Never two at once in a process;
 * between processes the branch's lock decides.
 */
@Injectable()
export class QuarantineRetrier implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('quarantine');
  private readonly due: Record<WaitingFor, Set<string>> = {
    untried: new Set(),
    held: new Set(),
    parent: new Set(),
  };
  private running: Promise<void> | undefined;
  private stopped = false;
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
    private readonly metrics: IngestMetrics,
  ) {}

  /** The start does not wait for it: there may be many, and stores push meanwhile. */
  onApplicationBootstrap(): void {
    this.stopListening = this.database.onAnnouncement(({ tenantId, topic }) => {
      if (topic === UNTRIED_TOPIC) this.wake('untried', [tenantId]);
      if (topic === PARENT_TOPIC) this.wake('parent', [tenantId]);
    });
    this.running = this.wakeAll(['held', 'untried', 'parent']).then(() => this.drain());
  }

  async onModuleDestroy(): Promise<void> {
    this.stopListening();
    this.stopped = true;
    await this.settled();
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.running || this.stopped) return;
    this.running = this.wakeAll(['untried', 'parent']).then(() => this.drain());
    await this.settled();
  }

  /** When all that was due has had its turn. */
  async settled(): Promise<void> {
    await this.running;
  }

  private wake(waitingFor: WaitingFor, tenantIds: readonly string[]): void {
    if (this.stopped) return;
    for (const tenantId of tenantIds) this.due[waitingFor].add(tenantId);
    this.running ??= this.drain();
  }

  private async wakeAll(kinds: readonly WaitingFor[]): Promise<void> {
    try {
      const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
      for (const kind of kinds) for (const { id } of tenants) this.due[kind].add(id);
    } catch (error) {
      this.logger.error(error);
    }
  }

  private async drain(): Promise<void> {
    for (let next = this.nextDue(); next !== null; next = this.nextDue()) {
      const [waitingFor, tenantId] = next;
      this.due[waitingFor].delete(tenantId);
      await this.retryAll(tenantId, waitingFor);
    }
    // In the same breath as the loop's last look, so that no wake falls between.
    this.running = undefined;
  }

  /** What a retry mends makes others due, and each time fewer are left: it comes to its end. */
  private nextDue(): [WaitingFor, string] | null {
    for (const waitingFor of ['untried', 'held', 'parent'] as const)
      for (const tenantId of this.due[waitingFor]) return [waitingFor, tenantId];
    return null;
  }

  /** Once over all of the tenant's; what cannot be tried now stays for the next sweep and holds up no other stream. */
  private async retryAll(tenantId: string, waitingFor: WaitingFor): Promise<void> {
    let after: WaitingPlace | undefined;
    while (!this.stopped) {
      let next: WaitingPlace | null = null;
      try {
        next = await this.database.transaction(tenantId, (tx) => nextWaiting(tx, waitingFor, after));
        if (next === null) return;
        after = await this.retryFrom(tenantId, waitingFor, next);
      } catch (error) {
        // The message alone: a failed statement bears what was to be stored.
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.error({ message: 'lines stay set aside', tenantId, ...next, reason });
        if (next === null) return;
        after = { ...next, seq: Number.MAX_SAFE_INTEGER };
      }
    }
  }

  private async retryFrom(tenantId: string, waitingFor: WaitingFor, from: WaitingPlace): Promise<WaitingPlace> {
    const parts = { nowMs: this.clock.now(), newId: this.newId };
    const { last, mended, mismatches } = await this.database.transaction(tenantId, (tx) =>
      retryWaiting(tx, waitingFor, from, parts),
    );
    // After the commit: what was counted and logged did happen.
    this.metrics.linesMended.inc(mended);
    for (const { line, first } of mismatches) {
      this.metrics.conflicts.inc({ type: 'data_mismatch' });
      const { kind, key, seq } = line;
      this.logger.error({ message: 'a fact came again with other content', ...from, kind, key, seq, first });
    }
    return last;
  }
}
