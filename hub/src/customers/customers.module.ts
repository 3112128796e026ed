import { Module } from '@nestjs/common';
import { CustomerOpener } from './customer-opener.js';
import { CustomersController } from './customers.controller.js';
import { ErasureScrubber } from './erasure-scrubber.js';
import { PersonKeysController } from './person-keys.controller.js';

@Module({ controllers: [CustomersController, PersonKeysController], providers: [CustomerOpener, ErasureScrubber] })
export class CustomersModule {}
