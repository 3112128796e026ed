import { Inject, Module, type DynamicModule, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import type { Clock } from '@branchline/domain/clock.js';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import type { Registry } from 'prom-client';
import { CLOCK } from '../clock.js';
import { Loop } from '../replicator/loop.js';
import { OwnCertificate } from './own-certificate.js';
import { registerCertificateMetrics, SERVED_CERTIFICATE, type ServedCertificate } from './served-certificate.js';
import { TrustController } from './trust.controller.js';

/** A box that moved to another network is reached again within a minute; looking takes some microseconds. */
const LOOK_MS = 60_000;

/** Shows how long the certificate lasts; keeps the edge's own one good. */
@Module({})
export class TrustModule implements OnApplicationBootstrap, OnModuleDestroy {
  private loop: Loop | null = null;

  constructor(
    @Inject(SERVED_CERTIFICATE) private readonly certificate: ServedCertificate | null,
    @Inject(METRICS_REGISTRY) private readonly registry: Registry,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly timers: SchedulerRegistry,
  ) {}

  static forRoot(certificate: ServedCertificate | null): DynamicModule {
    const own = certificate instanceof OwnCertificate ? certificate : null;
    return {
      module: TrustModule,
      controllers: own === null ? [] : [TrustController],
      providers: [
        { provide: SERVED_CERTIFICATE, useValue: certificate },
        ...(own === null ? [] : [{ provide: OwnCertificate, useValue: own }]),
      ],
      exports: [SERVED_CERTIFICATE],
    };
  }

  onApplicationBootstrap(): void {
    if (this.certificate === null) return;
    registerCertificateMetrics(this.registry, this.certificate);
    if (!(this.certificate instanceof OwnCertificate)) return;
    const own = this.certificate;
    this.loop = new Loop('own-certificate', this.timers, this.clock, async () => {
      await own.lookAfter();
      return { kind: 'idle', afterMs: LOOK_MS };
    });
    this.loop.start(LOOK_MS);
  }

  async onModuleDestroy(): Promise<void> {
    await this.loop?.stop();
  }
}
