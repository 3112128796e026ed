import { Module } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import { FEED_SHAPES } from '@branchline/replication/contracts.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, SNAPSHOT_PLACE } from '../providers.js';
import { FeedPages } from './feed-pages.js';
import { FeedController } from './feed.controller.js';
import { HelloNudges } from './hello-nudges.js';
import { Nudges } from './nudges.js';
import { NudgesController } from './nudges.controller.js';
import { Republisher } from './republisher.js';
import { Retirer } from './retirer.js';
import { Sequencer } from './sequencer.js';
import { SnapshotController } from './snapshot.controller.js';
import { Snapshots } from './snapshots.js';

@Module({
  controllers: [FeedController, NudgesController, SnapshotController],
  providers: [
    HelloNudges,
    Nudges,
    Retirer,
    Sequencer,
    {
      provide: Republisher,
      inject: [Database, CLOCK],
      useFactory: (database: Database, clock: Clock) => new Republisher(database, clock, FEED_SHAPES),
    },
    { provide: FeedPages, inject: [Database], useFactory: (database: Database) => new FeedPages(database) },
    {
      provide: Snapshots,
      inject: [Database, SNAPSHOT_PLACE],
      useFactory: (database: Database, place: string) => new Snapshots(database, place),
    },
  ],
  exports: [Retirer, Sequencer, Snapshots],
})
export class FeedModule {}
