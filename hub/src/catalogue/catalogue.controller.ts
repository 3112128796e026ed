import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { text } from '@branchline/http/fields.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf } from '../audit/record-audit.js';
import { assertForTenant } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
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

  @Get('catalogue/products')
  @Allow({ by: ['person', 'integration'], ability: 'catalogue.read' })
  list(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(listQuery) input: z.infer<typeof listQuery>,
  ): Promise<Page<CatalogueProduct>> {
    return this.database.transaction(who.tenantId, (tx) => listProducts(tx, input));
  }
}
