import { Module } from '@nestjs/common';
import { SyncModule } from '../sync/sync.module.js';
import { FleetController } from './fleet.controller.js';

@Module({ imports: [SyncModule], controllers: [FleetController] })
export class FleetModule {}
