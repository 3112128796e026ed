import { Module, type DynamicModule } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { AUTHENTICATORS, accessGuardProvider } from '@branchline/access/access.guard.js';
import type { Authenticator, Authenticators } from '@branchline/access/principal.js';
import { HealthModule } from '@branchline/http/health.js';
import { MetricsModule } from '@branchline/http/metrics.js';
import { AuditModule } from './audit/audit.module.js';
import { BranchesModule } from './branches/branches.module.js';
import { BundlesModule } from './bundles/bundles.module.js';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { ConsoleModule } from './console/console.module.js';
import { CustomersModule } from './customers/customers.module.js';
import { readiness } from './database/readiness.js';
import { Database } from './database/unit-of-work.js';
import { FeedModule } from './feed/feed.module.js';
import { FleetModule } from './fleet/fleet.module.js';
import { IncidentsModule } from './incidents/incidents.module.js';
import { PartsModule } from './parts.module.js';
import { PeopleModule } from './people/people.module.js';
import { IntegrationsModule } from './integrations/integrations.module.js';
import {
  BOX_AUTHENTICATOR,
  CLOCK,
  INTEGRATION_AUTHENTICATOR,
  PERSON_AUTHENTICATOR,
  type HubParts,
} from './providers.js';
import { ReportsModule } from './reports/reports.module.js';
import { SyncModule } from './sync/sync.module.js';
import { VerifyModule } from './verify/verify.module.js';

@Module({})
export class HubModule {
  static forRoot(parts: HubParts): DynamicModule {
    return {
      module: HubModule,
      imports: [
        PartsModule.forRoot(parts),
        ScheduleModule.forRoot(),
        MetricsModule.forRoot(),
        FeedModule,
        PeopleModule,
        IntegrationsModule,
        BranchesModule,
        CatalogueModule,
        CustomersModule,
        SyncModule,
        BundlesModule,
        ReportsModule,
        FleetModule,
        ConsoleModule,
        VerifyModule,
        IncidentsModule,
        AuditModule,
        HealthModule.forRoot({ inject: [Database, CLOCK], useFactory: readiness }),
      ],
      providers: [
        {
          provide: AUTHENTICATORS,
          inject: [PERSON_AUTHENTICATOR, BOX_AUTHENTICATOR, INTEGRATION_AUTHENTICATOR],
          useFactory: (person: Authenticator, box: Authenticator, integration: Authenticator): Authenticators => ({
            person,
            box,
            integration,
          }),
        },
        accessGuardProvider,
      ],
    };
  }
}
