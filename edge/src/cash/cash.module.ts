import { Module } from '@nestjs/common';
import { CashController } from './cash.controller.js';

@Module({ controllers: [CashController] })
export class CashModule {}
