import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { param, query } from '@branchline/http/schema.js';
import { branchesOf, chosenBranches } from '../branches/find-branch.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { listConflicts, type ConflictItem } from './conflicts.js';
import {
  listQuarantine,
  quarantineQuery,
  workListQuery,
  type QuarantineItem,
  type QuarantineQuery,
  type WorkListQuery,
} from './quarantine.js';
import { branchOfQuarantined, retryQuarantined, type Retried } from './retry-quarantined.js';

type Who = PrincipalOf<'person'>;
type Asking = PrincipalOf<'person' | 'integration'>;

/** What people have to look at: lines set aside, and facts that contradict each other. */
@ApiTags('work lists')
@ApiBearerAuth()
@Controller('v1')
export class WorkListController {
  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Get('quarantine')
  @Allow({ by: ['person', 'integration'], ability: 'quarantine.read' })
  quarantine(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(quarantineQuery) page: QuarantineQuery,
  ): Promise<Page<QuarantineItem>> {
    return this.database.transaction(who.tenantId, async (tx) =>
      listQuarantine(tx, await branchIdsOf(tx, who, 'quarantine.read', page), page, this.clock.now()),
    );
  }

  @Post('quarantine/:id/retry')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'quarantine.retry' })
  retry(@CurrentPrincipal('person') who: Who, @param('id', uuid) id: string): Promise<Retried> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const theirs = await branchesOf(tx, who, 'quarantine.retry');
      const branchId = await branchOfQuarantined(tx, id);
      if (!theirs.some((branch) => branch.id === branchId)) throw problem('not-found');
      return retryQuarantined(tx, id, { nowMs: this.clock.now(), newId: this.newId });
    });
  }

  @Get('conflicts')
  @Allow({ by: ['person', 'integration'], ability: 'conflict.read' })
  conflicts(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(workListQuery) page: WorkListQuery,
  ): Promise<Page<ConflictItem>> {
    return this.database.transaction(who.tenantId, async (tx) =>
      listConflicts(tx, await branchIdsOf(tx, who, 'conflict.read', page), page),
    );
  }
}

async function branchIdsOf(
  tx: Tx,
  who: Asking,
  ability: AbilityName,
  { branch }: { branch?: string | undefined },
): Promise<string[]> {
  return (await chosenBranches(tx, who, ability, branch)).map(({ id }) => id);
}
