import { Logger, Module } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import type { Registry } from 'prom-client';
import { Database } from '../database/unit-of-work.js';
import { BOX_AUTHENTICATOR, BULK_PUSHES, CLOCK, NEW_ID, PUSH_REST_MS, RANDOM_BYTES } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { BoxShare } from './box-share.js';
import { BoxTokens } from './box-tokens.js';
import { BoxesController } from './boxes.controller.js';
import { Contacts } from './contacts.js';
import { GUESSING_LIMITS, FailureThrottle } from './failure-throttle.js';
import { IngestMetrics } from './ingest-metrics.js';
import { LinesController } from './lines.controller.js';
import { Nonces } from './nonces.js';
import { PushAdmission } from './push-admission.js';
import { PUSH_LANE_LIMITS, PushLane } from './push-lane.js';
import { PushTroubles } from './push-troubles.js';
import { QuarantineRetrier } from './quarantine-retrier.js';
import { speaking } from './spoken.js';
import { SYNC_PARTS, type SyncParts } from './sync-parts.js';
import type { BulkPushes } from './take-push.js';
import { SyncController } from './sync.controller.js';
import { WorkListWatch } from '../worklists/work-list-watch.js';
import { WorkListController } from './work-list.controller.js';

@Module({
  controllers: [BoxesController, SyncController, LinesController, WorkListController],
  providers: [
    PushAdmission,
    { provide: APP_INTERCEPTOR, useClass: BoxShare },
    QuarantineRetrier,
    WorkListWatch,
    {
      provide: PushLane,
      inject: [BULK_PUSHES],
      // Without the thread nobody keeps two of one box in their order.
      useFactory: (bulk: BulkPushes | null) =>
        new PushLane(bulk === null ? { ...PUSH_LANE_LIMITS, longPerBoxMax: 1 } : PUSH_LANE_LIMITS),
    },
    {
      provide: PushTroubles,
      inject: [CLOCK, PUSH_REST_MS],
      useFactory: (clock: Clock, restMs: number) => new PushTroubles(clock, restMs),
    },
    {
      provide: BoxTokens,
      inject: [HubSecrets, CLOCK],
      useFactory: (secrets: HubSecrets, clock: Clock) => new BoxTokens(secrets, clock),
    },
    {
      provide: IngestMetrics,
      inject: [METRICS_REGISTRY],
      useFactory: (registry: Registry) => new IngestMetrics(registry),
    },
    {
      provide: SYNC_PARTS,
      inject: [
        ...[Database, HubSecrets, CLOCK, NEW_ID, RANDOM_BYTES, BoxTokens, PushLane, IngestMetrics, PushTroubles],
        BULK_PUSHES,
      ],
      useFactory: syncParts,
    },
    {
      provide: BOX_AUTHENTICATOR,
      inject: [BoxTokens, Database, Contacts],
      useFactory: (tokens: BoxTokens, database: Database, contacts: Contacts) =>
        speaking(contacts.hearing(tokens.authenticator(database))),
    },
    {
      provide: Contacts,
      inject: [Database, CLOCK],
      useFactory: (database: Database, clock: Clock) => new Contacts(database, clock),
    },
  ],
  exports: [SYNC_PARTS, BOX_AUTHENTICATOR, Contacts],
})
export class SyncModule {}

function syncParts(
  database: Database,
  secrets: HubSecrets,
  clock: Clock,
  newId: NewId,
  randomBytes: (bytes: number) => Buffer,
  tokens: BoxTokens,
  lane: PushLane,
  metrics: IngestMetrics,
  troubles: PushTroubles,
  bulk: BulkPushes | null,
): SyncParts {
  const nonces = new Nonces(secrets.boxesKey);
  return {
    database,
    secrets,
    clock,
    newId,
    randomBytes,
    tokens,
    lane,
    metrics,
    troubles,
    bulk,
    nonces,
    logger: new Logger('sync'),
    throttle: new FailureThrottle(clock, GUESSING_LIMITS),
  };
}
