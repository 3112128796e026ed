import { Module } from '@nestjs/common';
import { PasswordHasher } from '@branchline/access/password.js';
import { StaffController } from './staff.controller.js';

@Module({ controllers: [StaffController], providers: [PasswordHasher] })
export class StaffModule {}
