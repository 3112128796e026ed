import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { hubEpoch } from '../database/hub-epoch.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { takeSequencersTurn } from './number-outbox.js';
import { retireRecords, type Retired } from './retire-records.js';

const EVERY_MS = 3_600_000;
/** Transactions for a tenant in one run; what is left waits for the next. 100,000 numbers an hour. */
const STEPS_MAX = 50;

/** What nobody needs of the feed any more goes, by the hour. One hub process at a time works on a tenant; each step is short. */
@Injectable()
export class Retirer implements OnModuleDestroy {
  private readonly logger = new Logger('retirer');
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  @Interval(EVERY_MS)
  async run(): Promise<void> {
    this.running ??= this.runAll().finally(() => (this.running = undefined));
    await this.running;
  }

  private async runAll(): Promise<void> {
    const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
    for (const { id } of tenants) {
      try {
        await this.retireOf(id);
      } catch (error) {
        // One tenant's failure must not hold up the others; the next run comes back to it.
        this.logger.error({ message: 'the feed was not retired', tenantId: id, reason: String(error) });
      }
    }
  }

  private async retireOf(tenantId: string): Promise<void> {
    const scopes = await this.database.transaction(tenantId, async (tx) => {
      await tx.execute('DELETE FROM feed_segment WHERE hub_epoch <> $1', [await hubEpoch(tx)]);
      return tx.query<{ scope: string }>('SELECT scope FROM feed_head ORDER BY scope');
    });
    let steps = 0;
    for (const { scope } of scopes) {
      for (let more = true; more && steps < STEPS_MAX && !this.stopped; steps += 1) {
        const retired = await this.database.transaction(tenantId, (tx) => this.step(tx, scope));
        if (retired === null) return;
        more = retired.more;
      }
    }
  }

  /** @returns null while another process has the turn */
  private async step(tx: Tx, scope: string): Promise<Retired | null> {
    const { free } = await tx.one<{ free: boolean }>(
      `SELECT pg_try_advisory_xact_lock(hashtext('branchline retirer'), hashtext($1)) AS free`,
      [tx.tenantId],
    );
    if (!free) return null;
    await takeSequencersTurn(tx);
    return retireRecords(tx, scope, this.clock.now());
  }
}
