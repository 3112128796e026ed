import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { tellKeyDisputes } from './key-disputes.js';
import { sealAnewLate, type KeyParts } from './key-decision.js';
import { CUSTOMERS_TOPIC } from './merge-edits.js';
import { adoptOffers } from './person-key-offers.js';
import { openCustomers, OPENED_AT_ONCE_MAX } from './open-customers.js';

/** Another process may have taken edits or keys in and died before it opened them. */
const SWEEP_MS = 60_000;

/** Opens customers right after the edits, or the keys, that a store told. Never twice at once in a process. */
@Injectable()
export class CustomerOpener implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('customers');
  private readonly due = new Set<string>();
  private running: Promise<void> | undefined;
  private stopped = false;
  private stopListening: () => void = () => undefined;

  constructor(
    private readonly database: Database,
    private readonly secrets: HubSecrets,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  onApplicationBootstrap(): void {
    this.stopListening = this.database.onAnnouncement(({ tenantId, topic }) => {
      if (topic === CUSTOMERS_TOPIC) this.wake(tenantId);
    });
    this.running = this.wakeAll().then(() => this.drain());
  }

  async onModuleDestroy(): Promise<void> {
    this.stopListening();
    this.stopped = true;
    await this.settled();
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    if (this.running || this.stopped) return;
    this.running = this.wakeAll()
      .then(() => this.adoptAll())
      .then(() => this.drain());
    await this.settled();
  }

  /** When all that was due has had its turn. */
  async settled(): Promise<void> {
    while (this.running) await this.running;
  }

  private wake(tenantId: string): void {
    if (this.stopped) return;
    this.due.add(tenantId);
    this.running ??= this.drain();
  }

  private async wakeAll(): Promise<void> {
    try {
      const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
      for (const { id } of tenants) this.due.add(id);
    } catch (error) {
      this.logger.error(error);
    }
  }

  /** An offer and the line that tells of its person, taken in at one moment, did not see each other. */
  private async adoptAll(): Promise<void> {
    for (const tenantId of this.due) {
      try {
        await this.database.transaction(tenantId, (tx) => adoptOffers(tx, null));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        this.logger.error({ message: 'keys that were offered wait', tenantId, reason });
      }
    }
  }

  private async drain(): Promise<void> {
    for (const tenantId of this.due) {
      this.due.delete(tenantId);
      await this.openAll(tenantId);
    }
    // In the same breath as the loop's last look, so that no wake falls between.
    this.running = undefined;
  }

  private parts(): KeyParts {
    return { nowMs: this.clock.now(), newId: this.newId, personsMaster: this.secrets.personsMaster };
  }

  private async openAll(tenantId: string): Promise<void> {
    try {
      for (let opened = OPENED_AT_ONCE_MAX; opened === OPENED_AT_ONCE_MAX && !this.stopped;)
        opened = await this.database.transaction(tenantId, (tx) => openCustomers(tx, this.secrets.personsMaster));
      await sealAnewLate(this.database, tenantId, this.parts());
      await tellKeyDisputes(this.database, tenantId, this.parts());
    } catch (error) {
      // The message of PostgreSQL alone: a failed statement bears what was to be stored.
      const reason = error instanceof Error ? error.message : String(error);
      this.logger.error({ message: 'customers stay sealed', tenantId, reason });
    }
  }
}
