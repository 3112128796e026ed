import { Module } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, INTEGRATION_AUTHENTICATOR, NEW_ID, RANDOM_BYTES } from '../providers.js';
import { FailureThrottle, GUESSING_LIMITS } from '../sync/failure-throttle.js';
import type { IntegrationParts } from './create-integration.js';
import { integrationAuthenticator } from './integration-tokens.js';
import { INTEGRATION_PARTS, IntegrationsController } from './integrations.controller.js';

@Module({
  controllers: [IntegrationsController],
  providers: [
    {
      provide: INTEGRATION_PARTS,
      inject: [Database, CLOCK, NEW_ID, RANDOM_BYTES],
      useFactory: (
        database: Database,
        clock: Clock,
        newId: NewId,
        randomBytes: IntegrationParts['randomBytes'],
      ): IntegrationParts => ({ database, clock, newId, randomBytes }),
    },
    {
      provide: INTEGRATION_AUTHENTICATOR,
      inject: [Database, CLOCK],
      useFactory: (database: Database, clock: Clock) =>
        integrationAuthenticator({ database, clock, throttle: new FailureThrottle(clock, GUESSING_LIMITS) }),
    },
  ],
  exports: [INTEGRATION_AUTHENTICATOR],
})
export class IntegrationsModule {}
