import { Module } from '@nestjs/common';
import { FeedModule } from '../feed/feed.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { BundlesController } from './bundles.controller.js';

@Module({ imports: [FeedModule, SyncModule], controllers: [BundlesController] })
export class BundlesModule {}
