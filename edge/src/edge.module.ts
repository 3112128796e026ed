import { Module, type DynamicModule } from '@nestjs/common';
import { AUTHENTICATORS, accessGuardProvider } from '@branchline/access/access.guard.js';
import type { Authenticators } from '@branchline/access/principal.js';
import type { Clock } from '@branchline/domain/clock.js';
import { HealthModule, type ReadinessCheck } from '@branchline/http/health.js';
import { MetricsModule } from '@branchline/http/metrics.js';
import { CashModule } from './cash/cash.module.js';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { CLOCK } from './clock.js';
import { CustomersModule } from './customers/customers.module.js';
import { replicationReadiness } from './replicator/replicator-figures.js';
import { ReplicatorModule } from './replicator/replicator.module.js';
import { Replicator } from './replicator/replicator.js';
import { SellingModule } from './selling/selling.module.js';
import { edgeAuthenticators } from './staff/authenticators.js';
import { StaffModule } from './staff/staff.module.js';
import { StockModule } from './stock/stock.module.js';
import { StoreModule, type StoreModuleParts } from './store/store.module.js';
import { Store } from './store/store.js';
import type { ThreadProgram } from './store/thread-program.js';
import { STALLED_MS } from './store/threaded-writer.js';
import { TillsModule } from './tills/tills.module.js';
import { SERVED_CERTIFICATE, type ServedCertificate } from './trust/served-certificate.js';
import { TrustModule } from './trust/trust.module.js';
import { VerifyModule } from './verify/verify.module.js';

export type EdgeModuleParts = StoreModuleParts & {
  certificate: ServedCertificate | null;
  verifyThread: ThreadProgram;
};

@Module({})
export class EdgeModule {
  static forRoot(parts: EdgeModuleParts): DynamicModule {
    const trust = TrustModule.forRoot(parts.certificate);
    return {
      module: EdgeModule,
      imports: [
        StoreModule.forRoot(parts),
        MetricsModule.forRoot(),
        TillsModule,
        StaffModule,
        CatalogueModule,
        CustomersModule,
        StockModule,
        SellingModule,
        CashModule,
        ReplicatorModule,
        VerifyModule.forRoot(parts.verifyThread),
        trust,
        HealthModule.forRoot({
          imports: [trust],
          inject: [Store, Replicator, SERVED_CERTIFICATE],
          useFactory: readiness,
        }),
      ],
      providers: [
        {
          provide: AUTHENTICATORS,
          inject: [Store, CLOCK],
          useFactory: (store: Store, clock: Clock): Authenticators => edgeAuthenticators(store, clock),
        },
        accessGuardProvider,
      ],
    };
  }
}

/** Ready to trade: the branch's settings have come once, and the disk takes what is sold. Without a line it is ready all the same. */
function readiness(store: Store, replicator: Replicator, certificate: ServedCertificate | null): ReadinessCheck {
  return () => ({
    ready: store.reads.get('SELECT 1 FROM branch_setting') !== undefined && store.writer.waitingMs() < STALLED_MS,
    writesWaitingMs: Math.round(store.writer.waitingMs()),
    ...replicationReadiness(store, replicator),
    certificate: certificate?.figures() ?? null,
  });
}
