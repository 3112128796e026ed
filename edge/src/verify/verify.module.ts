import { randomInt } from 'node:crypto';
import { Logger, Module, type DynamicModule, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { CLOCK } from '../clock.js';
import { EDGE_CONFIG, type EdgeConfig } from '../config.js';
import { Replicator } from '../replicator/replicator.js';
import { Store } from '../store/store.js';
import type { ThreadProgram } from '../store/thread-program.js';
import { EDGE_VERSION } from '../version.js';
import { Verifier } from './verifier.js';
import { VerifyController } from './verify.controller.js';

const CHANCE_STEPS = 2 ** 32;

@Module({})
export class VerifyModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(private readonly verifier: Verifier) {}

  static forRoot(thread: ThreadProgram): DynamicModule {
    const verifier = {
      provide: Verifier,
      inject: [Store, Replicator, EDGE_CONFIG, CLOCK, SchedulerRegistry],
      useFactory: (store: Store, replicator: Replicator, config: EdgeConfig, clock: Clock, timers: SchedulerRegistry) =>
        new Verifier({
          ...{ store, replicator, config, thread, clock, timers },
          version: EDGE_VERSION,
          chance: () => randomInt(CHANCE_STEPS) / CHANCE_STEPS,
          logger: new Logger('verify'),
        }),
    };
    return { module: VerifyModule, controllers: [VerifyController], providers: [verifier], exports: [Verifier] };
  }

  onApplicationBootstrap(): void {
    this.verifier.start();
  }

  onModuleDestroy(): Promise<void> {
    return this.verifier.stop();
  }
}
