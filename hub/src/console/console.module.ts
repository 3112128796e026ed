import { Module } from '@nestjs/common';
import { SyncModule } from '../sync/sync.module.js';
import { PageController } from './page.controller.js';
import { TodayController } from './today.controller.js';
import { TrialController } from './trial.controller.js';

/** The page of head office, and what it alone asks for. */
@Module({ imports: [SyncModule], controllers: [PageController, TodayController, TrialController] })
export class ConsoleModule {}
