import { Module, type DynamicModule } from '@nestjs/common';
import { PasswordHasher } from '@branchline/access/password.js';
import { TrialControl } from './console/trial-control.js';
import { Database } from './database/unit-of-work.js';
import {
  BULK_PUSHES,
  CLOCK,
  NEW_ID,
  PUSH_REST_MS,
  PUSH_REST_MS_USUAL,
  RANDOM_BYTES,
  SNAPSHOT_PLACE,
  TRIAL_CONTROL,
  type HubParts,
} from './providers.js';
import { HubSecrets } from './secrets.js';

/** The parts, visible to every module. */
@Module({})
export class PartsModule {
  static forRoot(parts: HubParts): DynamicModule {
    const providers = [
      { provide: Database, useValue: parts.database },
      { provide: HubSecrets, useValue: parts.secrets },
      { provide: PasswordHasher, useValue: parts.passwords },
      { provide: CLOCK, useValue: parts.clock },
      { provide: NEW_ID, useValue: parts.newId },
      { provide: RANDOM_BYTES, useValue: parts.randomBytes },
      { provide: BULK_PUSHES, useValue: parts.bulk ?? null },
      { provide: PUSH_REST_MS, useValue: parts.pushRestMs ?? PUSH_REST_MS_USUAL },
      { provide: SNAPSHOT_PLACE, useValue: parts.snapshotPlace },
      { provide: TRIAL_CONTROL, useValue: parts.trial ? new TrialControl(parts.trial) : null },
    ];
    return { module: PartsModule, global: true, providers, exports: providers };
  }
}
