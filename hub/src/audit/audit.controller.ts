import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Page } from '@branchline/http/pagination.js';
import { body, openApiOf, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { assertForTenant, chosenBranches } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { auditItem, auditQuery, listAudit, type AuditItem, type AuditQuery } from './list-audit.js';
import { verifyAudit, type AuditVerdict } from './verify-audit.js';

const auditPage = z.strictObject({ items: z.array(auditItem), next: z.string().nullable() });

/** `head`: one that was noted elsewhere, to be found in the chain. */
const verifyInput = z.strictObject({
  head: z.strictObject({ seq: z.int().min(1), hash: z.string().regex(/^[0-9a-f]{64}$/) }).optional(),
});

type Who = PrincipalOf<'person'>;

/** Long chains are read once over. */
const STATEMENT_MS_MAX = 60_000;

@ApiTags('audit')
@ApiBearerAuth()
@Controller('v1/audit')
@Allow({ by: 'person', ability: 'audit.read' })
export class AuditController {
  constructor(private readonly database: Database) {}

  @Get()
  @ApiOkResponse({ schema: openApiOf(auditPage) })
  list(@CurrentPrincipal('person') who: Who, @query(auditQuery) asked: AuditQuery): Promise<Page<AuditItem>> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const branches = await chosenBranches(tx, who, 'audit.read', asked.branch);
      const wholeTenant =
        asked.branch === undefined && abilityFor(who.grants).can('audit.read', { tenant: who.tenantId });
      return listAudit(tx, { branchIds: branches.map(({ id }) => id), wholeTenant }, asked);
    });
  }

  /** Reads the whole chain of the tenant: whether anything in it was edited, removed, exchanged or cut off. */
  @Post('verify')
  @HttpCode(200)
  verify(
    @CurrentPrincipal('person') who: Who,
    @body(verifyInput) { head }: z.infer<typeof verifyInput>,
  ): Promise<AuditVerdict> {
    assertForTenant(who, 'audit.read');
    return this.database.transaction(who.tenantId, (tx) => verifyAudit(tx, head), {
      isolation: 'REPEATABLE READ',
      statementMsMax: STATEMENT_MS_MAX,
    });
  }
}
