import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import { republish, type FeedShapes, type KindToRepublish } from './republish.js';

const EVERY_MS = 3_600_000;
/** Processes of the release before may run on beside this one for so long, and publish in the contract that they know. */
const LOOKED_AT_AGAIN_MS = 86_400_000;
/** The first contract: what is of that needs no looking at. */
const FIRST = 1;

/**
 * At the start of a release that changes kinds of the feed, publishes what stands of these again, slice by slice: of each
 * tenant it is kept in which contract a kind was last published as a whole.
 */
export class Republisher implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('republisher');
  private running: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly shapes: FeedShapes,
  ) {}

  onApplicationBootstrap(): void {
    void this.run();
  }

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
    const changed = (Object.keys(this.shapes) as (keyof FeedShapes)[]).filter(
      (kind): kind is KindToRepublish => kind !== 'release' && this.shapes[kind].since > FIRST,
    );
    if (changed.length === 0) return;
    try {
      const tenants = await this.database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
      for (const { id } of tenants) await this.republishOf(id, changed);
    } catch (error) {
      this.logger.error({ message: 'the feed was not looked at', reason: String(error) });
    }
  }

  private async republishOf(tenantId: string, changed: readonly KindToRepublish[]): Promise<void> {
    try {
      const due = await this.database.transaction(tenantId, (tx) => this.dueOf(tx, changed));
      for (const kind of due) {
        const scopes = await this.database.transaction(tenantId, (tx) => tx.query<{ scope: string }>(SCOPES, [kind]));
        for (const { scope } of scopes) if (!(await this.republishScope(tenantId, kind, scope))) return;
        const note = [tenantId, kind, this.shapes[kind].since, this.clock.now()];
        await this.database.transaction(tenantId, (tx) => tx.execute(NOTE, note));
      }
    } catch (error) {
      // One tenant's failure must not hold up the others; the next run comes back to it.
      this.logger.error({ message: 'the feed was not published again', tenantId, reason: String(error) });
    }
  }

  private async dueOf(tx: Tx, changed: readonly KindToRepublish[]): Promise<KindToRepublish[]> {
    const done = await tx.query<{ kind: string; contract: number }>(DONE, [this.clock.now() - LOOKED_AT_AGAIN_MS]);
    return changed.filter(
      (kind) => !done.some((each) => each.kind === kind && each.contract >= this.shapes[kind].since),
    );
  }

  /** @returns false: it was stopped on the way */
  private async republishScope(tenantId: string, kind: KindToRepublish, scope: string): Promise<boolean> {
    let count = 0;
    for (let after: string | null = ''; after !== null;) {
      if (this.stopped) return false;
      const from: string = after;
      const slice = await this.database.transaction(tenantId, (tx) => republish(tx, kind, scope, from, this.shapes));
      count += slice.count;
      if (slice.left.length > 0)
        this.logger.error({ message: 'records cannot be brought to the contract of today', kind, left: slice.left });
      after = slice.upTo;
    }
    if (count > 0) this.logger.log({ message: 'published again in a new contract', tenantId, kind, scope, count });
    return true;
  }
}

const SCOPES = 'SELECT DISTINCT scope FROM feed_latest WHERE kind = $1 ORDER BY scope';

/** Long enough ago that nobody of before publishes any more. */
const DONE = `
SELECT kind, contract FROM feed_contract WHERE first_at <= to_timestamp($1::bigint / 1000.0)`;

const NOTE = `
INSERT INTO feed_contract AS kept (tenant_id, kind, contract, first_at) VALUES ($1, $2, $3, to_timestamp($4::bigint / 1000.0))
ON CONFLICT (tenant_id, kind) DO UPDATE SET contract = excluded.contract, first_at = excluded.first_at WHERE kept.contract < excluded.contract`;
