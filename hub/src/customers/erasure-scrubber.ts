import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { olderTransactions } from './older-transactions.js';
import { adoptOffers } from './person-key-offers.js';

const SWEEP_MS = 60_000;
/** One run waits so long for transactions from before; the next goes on where it ended. */
const WAIT_MS_MAX = 50_000;
const LOOK_MS = 50;
/**
 * A dump of the database holds every table for hours: what asks for one behind a scrub that waits would wait as long. More
 * than the second after which PostgreSQL ends an autovacuum that is in the way.
 */
const LOCK_MS_MAX = 2_500;

type Erased = { tenantId: string; persons: string[] };

/**
 * Takes what was erased off PostgreSQL's pages. Those keep what was deleted until they are needed again, and VACUUM alone
 * leaves it readable there: after it a name was still found in the files of three indexes. So the tables are written anew;
 * the files of before are emptied with that. For the time of it who looks one up at head office waits, and a push that tells of
 * a person; sales do not. A table that somebody holds is left, and tried again with the next run.
 *
 * A transaction that began before the erasure may still see the rows, and while one is open even VACUUM (FULL) carries them
 * along into the new file. It therefore waits until none is; what is due is a column, so that a hub which ends in between
 * comes back to it.
 *
 * What stood in the table in clear stays readable in the write-ahead log until that is recycled, and in backups of the
 * database for as long as they are kept. Keys stand there wrapped under one that is in no database.
 */
@Injectable()
export class ErasureScrubber implements OnModuleDestroy {
  private readonly logger = new Logger('erasures');
  private running: Promise<void> = Promise.resolve();
  private next: Promise<void> | null = null;
  private stopped = false;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await (this.next ?? this.running);
  }

  @Interval(SWEEP_MS)
  async sweep(): Promise<void> {
    await this.run();
  }

  /** Scrubs what is due. @returns whether nothing of the tenant's is left; false once `msMax` is over, the scrub goes on */
  async scrubbed(tenantId: string, msMax: number): Promise<boolean> {
    const timer = new AbortController();
    await Promise.race([this.run(), pause(msMax, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
    return (await this.dueOf(tenantId)).length === 0;
  }

  /** A run that begins after the call: one under way may have looked before. */
  private run(): Promise<void> {
    this.next ??= this.running.then(() => {
      this.next = null;
      return (this.running = this.scrub().catch((error: unknown) => {
        this.logger.error({ message: 'erased text may still stand on pages of the database', reason: String(error) });
      }));
    });
    return this.next;
  }

  private async scrub(): Promise<void> {
    if (this.stopped || (await this.due()).length === 0) return;
    // Of several hub processes one does it; the others find nothing due then.
    await this.database.holdingLock(
      'branchline erasures',
      () => this.scrubDue(),
      () => !this.stopped,
    );
  }

  private async scrubDue(): Promise<void> {
    const due = await this.due();
    if (due.length === 0 || !(await this.olderHaveEnded())) return;
    // One may have been offered while its person was erased.
    for (const { tenantId, persons } of due)
      await this.database.transaction(tenantId, (tx) => adoptOffers(tx, persons));
    await this.database.asOwner('VACUUM (FULL) customer_open', [], LOCK_MS_MAX);
    await this.database.asOwner('VACUUM (FULL) person_key', [], LOCK_MS_MAX);
    await this.database.asOwner('VACUUM (FULL) person_key_offer', [], LOCK_MS_MAX);
    await this.database.asOwner('VACUUM (FULL) person_key_retired', [], LOCK_MS_MAX);
    for (const { tenantId, persons } of due)
      await this.database.transaction(tenantId, (tx) =>
        tx.execute(
          'UPDATE person_key SET scrubbed_at = to_timestamp($2::bigint / 1000.0) WHERE person = ANY ($1::uuid[])',
          [persons, this.clock.now()],
        ),
      );
  }

  private async due(): Promise<Erased[]> {
    const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
    const due: Erased[] = [];
    for (const { id } of tenants) {
      const persons = await this.dueOf(id);
      if (persons.length > 0) due.push({ tenantId: id, persons });
    }
    return due;
  }

  private async dueOf(tenantId: string): Promise<string[]> {
    const rows = await this.database.transaction(tenantId, (tx) =>
      tx.query<{ person: string }>(
        'SELECT person FROM person_key WHERE erased_at IS NOT NULL AND scrubbed_at IS NULL ORDER BY person',
      ),
    );
    return rows.map(({ person }) => person);
  }

  private async olderHaveEnded(): Promise<boolean> {
    const sinceMs = this.clock.now();
    const older = olderTransactions(this.database);
    for (;;) {
      const open = await older();
      if (open.length === 0) return true;
      if (this.stopped) return false;
      if (this.clock.now() - sinceMs > WAIT_MS_MAX) {
        this.logger.warn({ message: 'what was erased stays on its pages until older transactions end', open });
        return false;
      }
      await pause(LOOK_MS);
    }
  }
}
