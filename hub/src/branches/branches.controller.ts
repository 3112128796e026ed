import { Controller, Get, Inject, Patch, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code } from '@branchline/http/fields.js';
import { decodeCursor, pageOf, pageQuery, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID, RANDOM_BYTES } from '../providers.js';
import { branchChange, changeBranch, holdBranch, type BranchChange } from './change-branch.js';
import { branchInput, createBranch, shownBranch, type Branch, type BranchInput } from './create-branch.js';
import { createEnrolmentCode, enrolmentInput, type EnrolmentInput } from './enrolment-codes.js';
import { branchesOf, findBranch } from './find-branch.js';
import { creating } from './places.js';

const listQuery = z.strictObject(pageQuery);
type Who = PrincipalOf<'person'>;
type Asking = PrincipalOf<'person' | 'integration'>;

@ApiTags('branches')
@ApiBearerAuth()
@Controller('v1/branches')
export class BranchesController {
  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
    @Inject(RANDOM_BYTES) private readonly randomBytes: (bytes: number) => Buffer,
  ) {}

  @Get()
  @Allow({ by: ['person', 'integration'], ability: 'branch.read' })
  list(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(listQuery) { limit, after }: z.infer<typeof listQuery>,
  ): Promise<Page<Branch>> {
    const [afterCode] = after === undefined ? [''] : decodeCursor(z.tuple([code]), after);
    return this.database.transaction(who.tenantId, async (tx) => {
      const rows = await branchesOf(tx, who, 'branch.read', afterCode);
      return pageOf(rows, limit, (row) => [row.code], shownBranch);
    });
  }

  @Post()
  @Allow({ by: 'person', ability: 'branch.manage' })
  create(@CurrentPrincipal('person') who: Who, @body(branchInput) input: BranchInput): Promise<Branch> {
    // An area manager opens branches in his own region.
    const isTheirs = abilityFor(who.grants).can('branch.manage', { tenant: who.tenantId, region: input.region });
    if (!isTheirs) throw problem('forbidden', `This needs branch.manage in ${input.region}.`);
    return creating(this.database, who.tenantId, async (tx) => {
      const branch = await createBranch(tx, input, this.newId, this.clock);
      await this.audit(tx, who, 'branch.create', branch.id, { code: branch.code });
      return branch;
    });
  }

  @Get(':code')
  @Allow({ by: ['person', 'integration'], ability: 'branch.read' })
  read(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('code', code) branchCode: string,
  ): Promise<Branch> {
    return this.database.transaction(who.tenantId, async (tx) =>
      shownBranch(await findBranch(tx, who, branchCode, 'branch.read')),
    );
  }

  /** Whoever moves a branch to another region answers for both. */
  @Patch(':code')
  @Allow({ by: 'person', ability: 'branch.manage' })
  change(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @body(branchChange) change: BranchChange,
  ): Promise<Branch> {
    const { region } = change;
    return this.database.transaction(who.tenantId, async (tx) => {
      await findBranch(tx, who, branchCode, 'branch.manage');
      if (region !== undefined && !abilityFor(who.grants).can('branch.manage', { tenant: who.tenantId, region }))
        throw problem('forbidden', `This needs branch.manage in ${region}.`);
      await holdBranch(tx, branchCode);
      const branch = await changeBranch(tx, await findBranch(tx, who, branchCode, 'branch.manage'), change);
      await this.audit(tx, who, 'branch.change', branch.id, { code: branch.code, ...change });
      return shownBranch(branch);
    });
  }

  /** Whoever may enrol tills gets in; a box is the whole store and needs more. */
  @Post(':code/enrolment-codes')
  @Allow({ by: 'person', ability: 'device.enrol' })
  createEnrolmentCode(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @body(enrolmentInput) input: EnrolmentInput,
  ): Promise<{ code: string; expiresAt: string }> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branch = await findBranch(tx, who, branchCode, input.for === 'box' ? 'branch.manage' : 'device.enrol');
      const made = await createEnrolmentCode(tx, branch.id, input, {
        clock: this.clock,
        randomBytes: this.randomBytes,
      });
      const { for: purpose, till } = input;
      await this.audit(tx, who, 'enrolment-code.create', branch.id, { purpose, till, expiresAt: made.expiresAt });
      return made;
    });
  }

  private audit(tx: Tx, who: Who, action: string, branchId: string, detail: Record<string, unknown>): Promise<void> {
    const at = { nowMs: this.clock.now(), newId: this.newId };
    return recordAudit(tx, { actor: actorOf(who), action, subject: `branch:${branchId}`, branchId, detail }, at);
  }
}
