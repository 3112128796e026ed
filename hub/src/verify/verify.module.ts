import { Module } from '@nestjs/common';
import { BranchVerifier } from './branch-verifier.js';
import { VerifyController } from './verify.controller.js';

@Module({ controllers: [VerifyController], providers: [BranchVerifier] })
export class VerifyModule {}
