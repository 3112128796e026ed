import { Module } from '@nestjs/common';
import { FeedController } from './feed.controller.js';
import { Nudges } from './nudges.js';
import { NudgesController } from './nudges.controller.js';
import { Sequencer } from './sequencer.js';

@Module({ controllers: [FeedController, NudgesController], providers: [Nudges, Sequencer], exports: [Sequencer] })
export class FeedModule {}
