import type { LoggerService } from '@nestjs/common';
import type { Snapshots } from '../feed/snapshots.js';
import type { SyncParts } from '../sync/sync-parts.js';

export type BundleParts = Pick<
  SyncParts,
  'database' | 'secrets' | 'clock' | 'newId' | 'lane' | 'metrics' | 'troubles' | 'bulk'
> & { logger: Pick<LoggerService, 'log' | 'warn' | 'error'>; snapshots: Pick<Snapshots, 'open'> };

/** All that making one wants. */
export type OutParts = Pick<BundleParts, 'database' | 'secrets' | 'clock' | 'newId' | 'logger' | 'snapshots'>;
