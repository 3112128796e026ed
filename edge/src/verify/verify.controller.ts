import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { Allow } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import { problem } from '@branchline/http/problem.js';
import { Store } from '../store/store.js';
import { lastVerification, type EdgeVerification } from './last-verification.js';
import { Verifier } from './verifier.js';

@documented('sync', { bearer: true })
@Controller('v1/sync')
export class VerifyController {
  constructor(
    private readonly store: Store,
    private readonly verifier: Verifier,
  ) {}

  /** Proves rows, journal and what is held of head office; answers when it is done: some seconds for 10,000 sales. */
  @Post('verify')
  @HttpCode(200)
  @Allow({ by: 'operator', ability: 'sync.verify' })
  verify(): Promise<EdgeVerification> {
    return this.verifier.verify();
  }

  /** What the last one came to. */
  @Get('verification')
  @Allow({ by: 'operator', ability: 'sync.read' })
  last(): EdgeVerification {
    const last = lastVerification(this.store.reads);
    if (last === null) throw problem('not-found', 'This box has not been verified yet.');
    return last.verification;
  }
}
