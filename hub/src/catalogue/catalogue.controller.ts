import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { code, text } from '@branchline/http/fields.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { assertForTenant } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import {
  changeAssortment,
  assortmentChange,
  type AssortmentChange,
  type AssortmentChanged,
} from './change-assortment.js';
import { importProducts, type ImportAnswer } from './import-products.js';
import { listProducts, type CatalogueProduct } from './list-products.js';

/** `?dryRun` and `?dryRun=true` say the same. */
const flag = z
  .enum(['', 'true', 'false'])
  .transform((value) => value !== 'false')
  .default(false);
const importQuery = z.strictObject({ dryRun: flag, skipBad: flag });
const listQuery = z.strictObject({ ...pageQuery, search: text(100).optional() });
type Asking = PrincipalOf<'person' | 'integration'>;

@ApiTags('catalogue')
@ApiBearerAuth()
@Controller('v1')
export class CatalogueController {
  constructor(
    readonly database: Database,
    @Inject(CLOCK) readonly clock: Clock,
    @Inject(NEW_ID) readonly newId: NewId,
  ) {}

  @Post('imports/products')
  @HttpCode(200)
  @Allow({ by: ['person', 'integration'], ability: 'catalogue.manage' })
  @ApiConsumes('text/csv')
  @ApiBody({ schema: { type: 'string' } })
  async import(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(importQuery) { dryRun, skipBad }: z.infer<typeof importQuery>,
    @Body() file: unknown,
  ): Promise<ImportAnswer> {
    assertForTenant(who, 'catalogue.manage');
    if (!Buffer.isBuffer(file)) throw problem('unsupported-media-type', 'Send the file as text/csv.');
    return importProducts(this, {
      tenantId: who.tenantId,
      actor: actorOf(who),
      createdBy: who.kind === 'person' ? who.personId : who.integrationId,
      file,
      dryRun,
      skipBad,
    });
  }

  @Post('assortments/:code/products')
  @HttpCode(200)
  @Allow({ by: ['person', 'integration'], ability: 'catalogue.manage' })
  changeAssortment(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @param('code', code) assortment: string,
    @body(assortmentChange) change: AssortmentChange,
  ): Promise<AssortmentChanged> {
    assertForTenant(who, 'catalogue.manage');
    const { clock, newId } = this;
    const createdBy = who.kind === 'person' ? who.personId : who.integrationId;
    return this.database.transaction(who.tenantId, async (tx) => {
      const changed = await changeAssortment(tx, assortment, change, { createdBy, clock, newId });
      const { added, removed, release } = changed;
      const entry = { actor: actorOf(who), action: 'assortment.change', subject: `assortment:${assortment}` };
      const detail = { added, removed, release };
      await recordAudit(tx, { ...entry, branchId: null, detail }, { nowMs: clock.now(), newId });
      return changed;
    });
  }

  @Get('catalogue/products')
  @Allow({ by: ['person', 'integration'], ability: 'catalogue.read' })
  list(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(listQuery) input: z.infer<typeof listQuery>,
  ): Promise<Page<CatalogueProduct>> {
    return this.database.transaction(who.tenantId, (tx) => listProducts(tx, input));
  }
}
