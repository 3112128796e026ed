import { Module } from '@nestjs/common';
import { SyncModule } from '../sync/sync.module.js';
import { TodayController } from './today.controller.js';
import { TrialController } from './trial.controller.js';

/** The page of head office, and what it alone asks for. */
@Module({ imports: [SyncModule], controllers: [TodayController, TrialController] })
export class ConsoleModule {}
