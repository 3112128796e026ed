import { Module } from '@nestjs/common';
import { SellingController } from './selling.controller.js';

@Module({ controllers: [SellingController] })
export class SellingModule {}
