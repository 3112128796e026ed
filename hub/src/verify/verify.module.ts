import { Module } from '@nestjs/common';
import { BoxVerifyController } from './box-verify.controller.js';
import { BranchVerifier } from './branch-verifier.js';
import { VerifyController } from './verify.controller.js';

@Module({ controllers: [VerifyController, BoxVerifyController], providers: [BranchVerifier] })
export class VerifyModule {}
