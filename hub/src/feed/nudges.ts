import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import type { Box } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import { problem } from '@branchline/http/problem.js';
import { NUDGE_BEAT_MS } from '@branchline/replication/nudge.js';
import { Gauge, type Registry } from 'prom-client';
import type { Notifications } from '../database/notifications.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { FEED_CHANNEL, readFeedNotice, readHello, readRevocation, readVerify } from './feed-notice.js';
import { NudgeStreams, type NudgeSink } from './nudge-streams.js';
import { scopesOfBranch, type BranchPlace } from './scopes.js';

/** An import is numbered in many batches: a box is told at most twice a second. */
const FLUSH_MS = 500;
const RETRY_AFTER_S = 60;

/** Tells the boxes whose streams are open here that something of theirs was numbered, by whichever hub process. */
@Injectable()
export class Nudges implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('nudges');
  private readonly streams = new NudgeStreams();
  private notifications: Notifications | undefined;
  private isListening = false;
  private flushing: NodeJS.Timeout | undefined;
  private beating: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(METRICS_REGISTRY) registry: Registry,
  ) {
    this.gauge(registry, 'streams', 'Boxes that can be told at once that something is new.', () => this.streams.size);
    const listening = 'Whether this process hears what the sequencers number; without it boxes wait for their polls.';
    this.gauge(registry, 'listening', listening, () => Number(this.isListening));
  }

  onApplicationBootstrap(): void {
    this.notifications = this.database.listen(FEED_CHANNEL, {
      onNotification: (payload) => this.heard(payload),
      onState: (state) => {
        const was = this.isListening;
        this.isListening = state.listening;
        if (was && !state.listening && !this.stopped)
          this.logger.warn({ message: 'nudges pause, boxes wait for their polls', reason: state.reason });
      },
    });
  }

  /** First of all, so that the server has no open answers to wait for. */
  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.flushing);
    this.streams.endAll();
    await Promise.all([this.notifications?.stop(), this.beating]);
  }

  /** @throws Problem `busy` when more boxes are connected than one process serves */
  assertRoom(box: Box): void {
    if (this.stopped) throw problem('shutting-down');
    if (!this.streams.hasRoom(box.boxId))
      throw problem('busy', 'Too many boxes are connected here.', { headers: { 'retry-after': `${RETRY_AFTER_S}` } });
  }

  scopesOf(box: Box): Promise<string[]> {
    return this.database.transaction(box.tenantId, async (tx) => {
      const [found] = await placesOf(tx, [box.boxId]);
      if (!found) throw problem('box-revoked');
      return scopesOfBranch(found);
    });
  }

  /** @returns how to leave */
  open(box: Box, scopes: readonly string[], expiresAtMs: number, sink: NudgeSink): () => void {
    const leave = this.streams.open({ box, scopes, expiresAtMs, sink });
    // Between the question for its scopes and now the hub may have begun to stop.
    if (this.stopped) this.streams.endAll();
    return leave;
  }

  @Interval(NUDGE_BEAT_MS)
  async beat(): Promise<void> {
    if (this.beating || this.stopped) return;
    this.beating = this.lookAndBeat().finally(() => (this.beating = undefined));
    await this.beating;
  }

  /** Revoked boxes end here at the latest; one question a tenant, however many boxes. */
  private async lookAndBeat(): Promise<void> {
    for (const [tenantId, boxIds] of this.streams.tenants()) {
      try {
        const places = await this.database.transaction(tenantId, (tx) => placesOf(tx, boxIds));
        this.streams.keep(tenantId, boxIds, new Map(places.map((place) => [place.box, scopesOfBranch(place)])));
      } catch (error) {
        // Without the database there is nothing to nudge about either; who is revoked is looked up with any other request.
        this.logger.warn({ message: 'open streams were not looked at', tenantId, reason: String(error) });
      }
    }
    this.streams.beat(this.clock.now());
  }

  private heard(payload: string): void {
    const revoked = readRevocation(payload);
    if (revoked !== null) this.streams.endOf(revoked);
    for (const box of readVerify(payload)) this.streams.ask(box, 'verify');
    for (const box of readHello(payload)) this.streams.ask(box, 'hello');
    const notice = readFeedNotice(payload);
    if (notice && this.streams.note(notice) && !this.flushing) this.flush();
  }

  /** The first at once; what comes within half a second of it goes together. */
  private flush(): void {
    this.streams.flush();
    this.flushing = setTimeout(() => {
      this.flushing = undefined;
      if (this.streams.isAnyDue) this.flush();
    }, FLUSH_MS);
  }

  private gauge(registry: Registry, name: string, help: string, read: () => number): void {
    new Gauge({
      name: `branchline_nudge_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}

type BoxPlace = BranchPlace & { box: string };

function placesOf(tx: Tx, boxIds: readonly string[]): Promise<BoxPlace[]> {
  return tx.query<BoxPlace>(
    `SELECT box.id AS box, b.id, b.region, b.price_zone AS "priceZone", b.assortment
     FROM box JOIN branch b ON b.tenant_id = box.tenant_id AND b.id = box.branch_id
     WHERE box.id = ANY ($1::uuid[]) AND box.revoked_at IS NULL`,
    [boxIds],
  );
}
