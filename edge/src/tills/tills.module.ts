import { Module } from '@nestjs/common';
import { TillsController } from './tills.controller.js';

@Module({ controllers: [TillsController] })
export class TillsModule {}
