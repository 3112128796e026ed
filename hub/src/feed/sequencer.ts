import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Database } from '../database/unit-of-work.js';
import { BATCH_RECORDS_MAX, numberOutbox } from './number-outbox.js';
import { FEED_TOPIC } from './publish.js';

/** Another process may have committed and died before its sequencer woke. */
const SWEEP_MS = 5_000;
const STATEMENT_MS_MAX = 60_000;

/**
 * Runs right after each commit that published, one tenant after the other, and by the clock as a safety net. Never two at once in a
 * process; between processes the advisory lock decides.
 */
@Injectable()
export class Sequencer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('sequencer');
  private readonly waiting = new Set<string>();
  private running: Promise<void> | undefined;
  private stopped = false;
  private stopListening: () => void = () => undefined;

  constructor(private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.stopListening = this.database.onAnnouncement(({ tenantId, topic }) => {
      if (topic === FEED_TOPIC) this.wake(tenantId);
    });
  }

  async onModuleDestroy(): Promise<void> {
    this.stopListening();
    this.stopped = true;
    await this.settled();
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.running || this.stopped) return;
    try {
      const tenants = await this.database.asOwner<{ tenant_id: string }>(
        'SELECT branchline_tenants_with_outbox() AS tenant_id',
      );
      for (const { tenant_id } of tenants) this.wake(tenant_id);
    } catch (error) {
      this.logger.error(error);
    }
    await this.settled();
  }

  wake(tenantId: string): void {
    if (this.stopped) return;
    this.waiting.add(tenantId);
    this.running ??= this.drain();
  }

  /** When everything announced so far is numbered, or has failed and waits for the next sweep. */
  async settled(): Promise<void> {
    await this.running;
  }

  private async drain(): Promise<void> {
    for (const tenantId of this.waiting) {
      this.waiting.delete(tenantId);
      try {
        await this.numberAll(tenantId);
      } catch (error) {
        // One tenant's failure must not hold up the others; the sweep comes back to it, and readiness shows that it waits.
        this.logger.error({ message: 'records stay unnumbered', tenantId, error });
      }
    }
    // In the same breath as the loop's last look, so that no wake falls between.
    this.running = undefined;
  }

  private async numberAll(tenantId: string): Promise<void> {
    let numbered = BATCH_RECORDS_MAX;
    while (numbered === BATCH_RECORDS_MAX && !this.stopped) {
      numbered = await this.database.transaction(tenantId, (tx) => numberOutbox(tx), {
        statementMsMax: STATEMENT_MS_MAX,
      });
    }
  }
}
