import { Module } from '@nestjs/common';
import { SyncModule } from '../sync/sync.module.js';
import { BundlesController } from './bundles.controller.js';

@Module({ imports: [SyncModule], controllers: [BundlesController] })
export class BundlesModule {}
