import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { z } from 'zod';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { branchesOf, chosenBranches, findBranch } from '../branches/find-branch.js';
import { disputedValues, type DisputedValues } from '../customers/disputed-values.js';
import { regionsWith } from '../customers/customer-regions.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID, RANDOM_BYTES } from '../providers.js';
import { HubSecrets } from '../secrets.js';
import { idsToRetry, retryInput, settleInput, settleQuarantined } from '../worklists/settle-quarantined.js';
import { resolveConflict, resolveInput, type ResolveInput } from '../worklists/resolve-conflict.js';
import { showConflict, showQuarantined, type ConflictDetail, type QuarantineDetail } from '../worklists/show-item.js';
import { conflictQuery, listConflicts, type ConflictItem, type ConflictQuery } from './conflicts.js';
import { listQuarantine, quarantineQuery, type QuarantineItem, type QuarantineQuery } from './quarantine.js';
import { branchOfQuarantined, retryQuarantined, type Retried } from './retry-quarantined.js';

type RetryInput = z.infer<typeof retryInput>;
type RetriedAll = { tried: number; mended: number };
type ShownConflict = ConflictDetail & { values: DisputedValues | null };
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
    @Inject(RANDOM_BYTES) private readonly randomBytes: (bytes: number) => Buffer,
    private readonly secrets: HubSecrets,
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
      const retried = await retryQuarantined(tx, id, this.now());
      const { state, code, attempts } = retried;
      const entry = { actor: actorOf(who), action: 'quarantine.retry', subject: `quarantine:${id}`, branchId };
      await recordAudit(tx, { ...entry, detail: { state, code, attempts } }, this.now());
      return retried;
    });
  }

  /** All that waits in a branch, or what waits there for one reason: a bounded number, those longest untried first. */
  @Post('quarantine/retry')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'quarantine.retry' })
  async retryAll(@CurrentPrincipal('person') who: Who, @body(retryInput) input: RetryInput): Promise<RetriedAll> {
    const { branchId, ids } = await this.database.transaction(who.tenantId, async (tx) => {
      const { id } = await findBranch(tx, who, input.branch, 'quarantine.retry');
      return { branchId: id, ids: await idsToRetry(tx, id, input.code) };
    });
    const counts = { tried: 0, mended: 0 };
    for (const id of ids) {
      const { state } = await this.database.transaction(who.tenantId, (tx) => retryQuarantined(tx, id, this.now()));
      counts.tried += 1;
      if (state === 'mended') counts.mended += 1;
    }
    const entry = { actor: actorOf(who), action: 'quarantine.retry', subject: `branch:${branchId}`, branchId };
    await this.database.transaction(who.tenantId, (tx) =>
      recordAudit(tx, { ...entry, detail: { code: input.code, ...counts } }, this.now()),
    );
    return counts;
  }

  @Post('quarantine/:id/settle')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'quarantine.settle' })
  settle(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @body(settleInput) { note }: z.infer<typeof settleInput>,
  ): Promise<QuarantineDetail> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branchIds = await branchIdsOf(tx, who, 'quarantine.settle');
      await showQuarantined(tx, id, branchIds);
      await settleQuarantined(tx, { id, note, by: actorOf(who) }, this.now());
      return showQuarantined(tx, id, branchIds);
    });
  }

  @Get('quarantine/:id')
  @Allow({ by: ['person', 'integration'], ability: 'quarantine.read' })
  quarantined(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('id', uuid) id: string,
  ): Promise<QuarantineDetail> {
    return this.database.transaction(who.tenantId, async (tx) =>
      showQuarantined(tx, id, await branchIdsOf(tx, who, 'quarantine.read')),
    );
  }

  @Get('conflicts')
  @Allow({ by: ['person', 'integration'], ability: 'conflict.read' })
  conflicts(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(conflictQuery) page: ConflictQuery,
  ): Promise<Page<ConflictItem>> {
    return this.database.transaction(who.tenantId, async (tx) =>
      listConflicts(tx, await branchIdsOf(tx, who, 'conflict.read', page), page),
    );
  }

  @Get('conflicts/:id')
  @Allow({ by: ['person', 'integration'], ability: 'conflict.read' })
  conflict(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('id', uuid) id: string,
  ): Promise<ShownConflict> {
    return this.database.transaction(who.tenantId, async (tx) =>
      this.shown(tx, who, id, await branchIdsOf(tx, who, 'conflict.read')),
    );
  }

  @Post('conflicts/:id/resolve')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'conflict.resolve' })
  resolve(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @body(resolveInput) input: ResolveInput,
  ): Promise<ShownConflict> {
    const { randomBytes, secrets } = this;
    return this.database.transaction(who.tenantId, async (tx) => {
      const branchIds = await branchIdsOf(tx, who, 'conflict.resolve');
      const customerRegions = await regionsWith(tx, who, 'customer.write');
      const parts = { ...this.now(), randomBytes, personsMaster: secrets.personsMaster };
      const deciding = { ...parts, personId: who.personId, customerRegions };
      await resolveConflict(tx, { id, input, by: actorOf(who), branchIds }, deciding);
      return this.shown(tx, who, id, branchIds);
    });
  }

  /** With what a customer's fields say, for who may read of that customer. */
  private async shown(tx: Tx, who: Asking, id: string, branchIds: readonly string[]): Promise<ShownConflict> {
    const detail = await showConflict(tx, id, branchIds);
    const regions = who.kind === 'person' ? await regionsWith(tx, who, 'customer.read') : [];
    return { ...detail, values: await disputedValues(tx, id, regions, this.secrets.personsMaster) };
  }

  private now(): { nowMs: number; newId: NewId } {
    return { nowMs: this.clock.now(), newId: this.newId };
  }
}

async function branchIdsOf(
  tx: Tx,
  who: Asking,
  ability: AbilityName,
  { branch }: { branch?: string | undefined } = {},
): Promise<string[]> {
  return (await chosenBranches(tx, who, ability, branch)).map(({ id }) => id);
}
