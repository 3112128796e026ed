import { randomInt } from 'node:crypto';
import { Global, Inject, Logger, Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { HttpAdapterHost } from '@nestjs/core';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import type { Registry } from 'prom-client';
import { v7 } from 'uuid';
import { CLOCK } from '../clock.js';
import { EDGE_CONFIG, type EdgeConfig } from '../config.js';
import { HUB_CLOCK } from '../customers/hub-clock.js';
import { FEED_ROWS } from '../feed-appliers.js';
import { IN_FLIGHT } from '../selling/in-flight.js';
import { Store } from '../store/store.js';
import { EDGE_VERSION } from '../version.js';
import { edgeAuthenticators } from '../staff/authenticators.js';
import { TillWitness } from './till-witness.js';
import { BundleController } from './bundle.controller.js';
import { registerReplicationMetrics } from './replicator-figures.js';
import { Replicator } from './replicator.js';
import { SyncController } from './sync.controller.js';
import { Watchdog } from './watchdog.js';

const CHANCE_STEPS = 2 ** 32;

const replicator = {
  provide: Replicator,
  inject: [Store, EDGE_CONFIG, CLOCK, SchedulerRegistry],
  useFactory: (store: Store, config: EdgeConfig, clock: Clock, timers: SchedulerRegistry): Replicator =>
    new Replicator({
      store,
      config,
      kinds: FEED_ROWS,
      version: EDGE_VERSION,
      newId: () => v7(),
      clock,
      chance: () => randomInt(CHANCE_STEPS) / CHANCE_STEPS,
      timers,
      logger: new Logger('replicator'),
    }),
};

const watchdog = {
  provide: Watchdog,
  inject: [Store, CLOCK, Replicator],
  useFactory: (store: Store, clock: Clock, replicator: Replicator): Watchdog =>
    new Watchdog({
      store,
      clock,
      line: () => replicator.figures().line,
      alarm: (message) => new Logger('watchdog').error(message),
    }),
};

/** A store whose hub does not answer sells this long after its program began; a line that carries at all has this long. */
const SELLING_MS_MAX = 2_000;
const HELLO_MS_MIN = 1_000;
/** Only where the hub knows more than this file: then somebody has just restored it, and it opens with what it lost. */
const LINES_MS_MAX = 5_000;

const tillWitness = {
  provide: TillWitness,
  inject: [HttpAdapterHost, Store, Replicator, CLOCK],
  useFactory: (adapter: HttpAdapterHost, store: Store, witnessed: Replicator, clock: Clock): TillWitness =>
    new TillWitness(adapter, store, witnessed, edgeAuthenticators(store, clock)),
};

/** Begins when the application is up and ends before its store closes. Selling asks it which lines are on the way. */
@Global()
@Module({
  imports: [ScheduleModule.forRoot()],
  controllers: [SyncController, BundleController],
  providers: [
    replicator,
    tillWitness,
    watchdog,
    { provide: IN_FLIGHT, useExisting: Replicator },
    { provide: HUB_CLOCK, useExisting: Replicator },
  ],
  exports: [Replicator, IN_FLIGHT, HUB_CLOCK],
})
export class ReplicatorModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly replicator: Replicator,
    private readonly store: Store,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly watchdog: Watchdog,
    @Inject(METRICS_REGISTRY) private readonly registry: Registry,
  ) {}

  /** Nobody sells before it is over: the door opens after it. */
  async onApplicationBootstrap(): Promise<void> {
    registerReplicationMetrics(this.registry, this.store, this.replicator, this.clock, this.watchdog);
    await this.replicator.askFirst(Math.max(HELLO_MS_MIN, SELLING_MS_MAX - performance.now()), LINES_MS_MAX);
    this.replicator.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.replicator.stop();
  }
}
