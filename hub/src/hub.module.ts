import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AUTHENTICATORS, accessGuardProvider } from '@branchline/access/access.guard.js';
import type { Authenticators } from '@branchline/access/principal.js';
import { HealthModule } from '@branchline/http/health.js';
import { MetricsModule } from '@branchline/http/metrics.js';
import { readiness } from './database/readiness.js';
import { Database } from './database/unit-of-work.js';
import { PartsModule } from './parts.module.js';
import type { HubParts } from './providers.js';

@Module({})
export class HubModule {
  static forRoot(parts: HubParts): DynamicModule {
    return {
      module: HubModule,
      imports: [
        PartsModule.forRoot(parts),
        ScheduleModule.forRoot(),
        MetricsModule.forRoot(),
        HealthModule.forRoot({ inject: [Database], useFactory: readiness }),
      ],
      providers: [
        {
          provide: AUTHENTICATORS,
          useFactory: (): Authenticators => ({}),
        },
        accessGuardProvider,
      ],
    };
  }
}
