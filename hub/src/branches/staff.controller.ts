import { Controller, Get, Inject, Patch, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import type { AbilityName } from '@branchline/access/abilities.js';
import { abilitiesOfRole } from '@branchline/access/roles.js';
import { abilityFor } from '@branchline/access/ability.js';
import { PasswordHasher } from '@branchline/access/password.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code } from '@branchline/http/fields.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import type { BranchRow } from './branch.row.js';
import { findBranch, placeOf } from './find-branch.js';
import { creating } from './places.js';
import {
  changeStaff,
  createStaff,
  listStaff,
  operatorCode,
  pinVerifier,
  staffChange,
  staffInput,
  type Staff,
  type StaffChange,
  type StaffInput,
} from './staff.js';

const listQuery = z.strictObject(pageQuery);
type Who = PrincipalOf<'person'>;

@ApiTags('staff')
@ApiBearerAuth()
@Controller('v1/branches/:code/staff')
@Allow({ by: 'person', ability: 'staff.manage' })
export class StaffController {
  constructor(
    private readonly database: Database,
    readonly secrets: HubSecrets,
    readonly passwords: PasswordHasher,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Get()
  list(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @query(listQuery) page: z.infer<typeof listQuery>,
  ): Promise<Page<Staff>> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branch = await findBranch(tx, who, branchCode, 'staff.manage');
      return listStaff(tx, { branchId: branch.id }, page);
    });
  }

  @Post()
  async create(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @body(staffInput) input: StaffInput,
  ): Promise<Staff> {
    const branch = await this.branchFor(who, branchCode, input.role);
    const where = { branchId: branch.id };
    const verifier = await pinVerifier(this, where, input.operator, input.pin);
    return creating(this.database, who.tenantId, async (tx) => {
      const made = await createStaff(tx, where, input, verifier);
      await this.audit(tx, who, 'staff.create', where, { operator: made.operator, role: input.role });
      return made;
    });
  }

  @Patch(':operator')
  async change(
    @CurrentPrincipal('person') who: Who,
    @param('code', code) branchCode: string,
    @param('operator', operatorCode) operator: string,
    @body(staffChange) change: StaffChange,
  ): Promise<Staff> {
    const branch = await this.branchFor(who, branchCode, change.role);
    const where = { branchId: branch.id };
    const verifier = await pinVerifier(this, where, operator, change.pin);
    return this.database.transaction(who.tenantId, async (tx) => {
      const changed = await changeStaff(tx, where, operator, change, verifier);
      const { role, active } = change;
      await this.audit(tx, who, 'staff.change', where, { operator, changed: Object.keys(change), role, active });
      return changed;
    });
  }

  private audit(
    tx: Tx,
    who: Who,
    action: string,
    { branchId }: { branchId: string },
    detail: { operator: string } & Record<string, unknown>,
  ): Promise<void> {
    const entry = { actor: actorOf(who), action, subject: `operator:${detail.operator}`, branchId, detail };
    return recordAudit(tx, entry, { nowMs: this.clock.now(), newId: this.newId });
  }

  /** A store manager who could make an administrator or an importer would be one. */
  private async branchFor(who: Who, branchCode: string, role: string | undefined): Promise<BranchRow> {
    const branch = await this.database.transaction(who.tenantId, (tx) =>
      findBranch(tx, who, branchCode, 'staff.manage'),
    );
    const able = abilityFor(who.grants);
    const beyond =
      role === undefined
        ? undefined
        : abilitiesOfRole(role).find((ability) => isHandedOnOnly(ability) && !able.can(ability, placeOf(branch)));
    if (beyond) throw problem('forbidden', `The role ${role} may ${beyond}, which you may not.`);
    return branch;
  }
}

/** Handed out only by who holds them: managing anything, and sales with prices and times of their own. */
function isHandedOnOnly(ability: AbilityName): boolean {
  return ability.endsWith('.manage') || ability === 'sale.import';
}
