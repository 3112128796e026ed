import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code } from '@branchline/http/fields.js';
import { openApiOf, param } from '@branchline/http/schema.js';
import { actorOf } from '../audit/record-audit.js';
import type { BranchRow } from '../branches/branch.row.js';
import { findBranch } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { askForProofs } from './box-proof.js';
import { repairSchema, verificationSchema, type Verification } from './answer.js';
import { BranchVerifier } from './branch-verifier.js';
import { lastVerification } from './last-verification.js';
import { rebuildBranch, type Rebuilt } from './rebuild-branch.js';

type Asking = PrincipalOf<'person' | 'integration'>;

@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1/fleet')
export class VerifyController {
  constructor(
    private readonly database: Database,
    private readonly verifier: BranchVerifier,
    private readonly secrets: HubSecrets,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Post(':code/verify')
  @HttpCode(200)
  @Allow({ by: ['person', 'integration'], ability: 'fleet.verify' })
  @ApiOperation({
    summary: 'Proves the history that is held of a branch, and all that was made of it',
    description:
      'Recomputes, from the archived bytes of every line of the branch, the hash chain of each of its histories, the head that its box signed, every row that ' +
      'was projected and, per business date, money, quantity and baskets, and compares them with what is stored and with the rollups that reports read. ' +
      'Of lines in quarantine it proves why they wait. The boxes of the branch are asked to prove their own half at the same time: `boxes` has the ' +
      'last word of each, which for one without a line is an old one. Takes some seconds for 10,000 lines and at most fifteen minutes; the result is kept and can be read again.',
  })
  @ApiOkResponse({ schema: openApiOf(verificationSchema) })
  async verify(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('code', code) asked: string,
  ): Promise<Verification> {
    const branch = await this.find(who, asked, 'fleet.verify');
    await this.database.transaction(who.tenantId, (tx) => askForProofs(tx, branch.id, this.clock.now()));
    return this.verifier.verify(branch);
  }

  @Post(':code/repair')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'fleet.repair' })
  @ApiOperation({
    summary: 'Makes rows and sums of a branch anew from its archived lines, as far as they differ',
    description:
      'What is missing is written, what says something else than its line is replaced, what no line leads to goes; the rest is not touched. ' +
      'Pushes go on, and reports see sums of before or after. Each kind of correction is an incident, and the whole is in the audit. ' +
      'An archive that does not hold itself is no ground for it: 409 archive-damaged.',
  })
  @ApiOkResponse({ schema: openApiOf(repairSchema) })
  async repair(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @param('code', code) asked: string,
  ): Promise<Rebuilt> {
    const branch = await this.find(who, asked, 'fleet.repair');
    const { database, clock, newId } = this;
    const { personsMaster } = this.secrets;
    return rebuildBranch({ database, personsMaster, nowMs: clock.now(), newId, actor: actorOf(who) }, branch);
  }

  @Get(':code/verification')
  @Allow({ by: ['person', 'integration'], ability: 'fleet.read' })
  @ApiOperation({ summary: 'The last verification of a branch, as it was answered' })
  @ApiOkResponse({ schema: openApiOf(verificationSchema) })
  async last(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('code', code) asked: string,
  ): Promise<Verification> {
    const branch = await this.find(who, asked, 'fleet.read');
    return this.database.transaction(who.tenantId, (tx) => lastVerification(tx, branch));
  }

  private find(who: Asking, asked: string, ability: AbilityName): Promise<BranchRow> {
    return this.database.transaction(who.tenantId, (tx) => findBranch(tx, who, asked, ability));
  }
}
