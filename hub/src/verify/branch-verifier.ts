import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { METRICS_REGISTRY } from '@branchline/http/metrics.js';
import { problem } from '@branchline/http/problem.js';
import { Counter, type Registry } from 'prom-client';
import type { BranchRow } from '../branches/branch.row.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import type { Verification } from './answer.js';
import { runVerification } from './run-verification.js';
import type { Verified } from './verify-branch.js';

/** Each holds a connection and a snapshot, and shares the event loop with pushes. */
const AT_ONCE_MAX = 4;
/** So that one tenant never holds up all the others. */
const OF_TENANT_MAX = 2;
const RETRY_AFTER_S = 10;
const NAMED_IN_LOG_MAX = 10;

/** Runs verifications: few at once, bounded in time, their findings kept and, when anything differs, raised as an alarm. */
@Injectable()
export class BranchVerifier implements OnModuleDestroy {
  private readonly logger = new Logger('verify');
  private readonly running = new Map<Promise<unknown>, string>();
  private readonly verifications: Counter<'outcome'>;
  private readonly differences: Counter<'what'>;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly secrets: HubSecrets,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
    @Inject(METRICS_REGISTRY) registry: Registry,
  ) {
    const registers = [registry];
    this.verifications = new Counter({
      name: 'branchline_verifications_total',
      help: 'Branches whose archived history was proved against rows and sums.',
      labelNames: ['outcome'],
      registers,
    });
    this.differences = new Counter({
      name: 'branchline_verification_differences_total',
      help: 'What verifications have found to differ: any is an alarm.',
      labelNames: ['what'],
      registers,
    });
  }

  /** It ends at its next step. */
  async onModuleDestroy(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled(this.running.keys());
  }

  /** @throws Problem `verification-running`, `verification-too-long`, `busy` */
  async verify(branch: BranchRow, msMax?: number): Promise<Verification> {
    const ofTenant = [...this.running.values()].filter((tenantId) => tenantId === branch.tenantId);
    if (this.running.size >= AT_ONCE_MAX || ofTenant.length >= OF_TENANT_MAX)
      throw problem('busy', 'Other branches are being verified.', { headers: { 'retry-after': `${RETRY_AFTER_S}` } });
    const run = this.run(branch, msMax);
    this.running.set(run, branch.tenantId);
    try {
      return await run;
    } finally {
      this.running.delete(run);
    }
  }

  private async run(branch: BranchRow, msMax?: number): Promise<Verification> {
    const { database, secrets, clock, newId } = this;
    const verified = await runVerification({ database, secrets, clock, newId }, branch, msMax, () => this.stopped);
    this.tell(branch, verified);
    return verified.answer;
  }

  /** After it is kept: whoever is alarmed finds it there. */
  private tell({ code }: BranchRow, { answer, counts }: Verified): void {
    this.verifications.inc({ outcome: answer.outcome });
    for (const [what, count] of counts) this.differences.inc({ what }, count);
    if (answer.outcome === 'equal') return;
    const differences = answer.differences.slice(0, NAMED_IN_LOG_MAX);
    const message = 'what is stored of a branch is not what its archive says';
    this.logger.error({ message, branch: code, at: answer.at, counts: Object.fromEntries(counts), differences });
  }
}
