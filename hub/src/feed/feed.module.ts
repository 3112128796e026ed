import { Module } from '@nestjs/common';
import { FeedController } from './feed.controller.js';
import { Sequencer } from './sequencer.js';

@Module({ controllers: [FeedController], providers: [Sequencer], exports: [Sequencer] })
export class FeedModule {}
