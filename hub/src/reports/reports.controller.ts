import { Controller, Get, Inject } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { Page } from '@branchline/http/pagination.js';
import { openApiOf, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { findBranch } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import {
  amendmentItem,
  amendmentQuery,
  listAmendments,
  type AmendmentItem,
  type AmendmentQuery,
} from './amendments.js';
import { COMBINABLE } from './dimensions.js';
import { salesReport, salesReportQuery, type SalesReport, type SalesReportQuery } from './sales-report.js';

type Asking = PrincipalOf<'person' | 'integration'>;

const amendmentPage = z.strictObject({ items: z.array(amendmentItem), next: z.string().nullable() });

const REPORT_MS_MAX = 20_000;

@ApiTags('reports')
@ApiBearerAuth()
@Controller('v1/reports')
export class ReportsController {
  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get('amendments')
  @Allow({ by: ['person', 'integration'], ability: 'report.read' })
  @ApiOperation({ summary: 'Sales that were added to days of a branch after their seal, numbered within each day' })
  @ApiOkResponse({ schema: openApiOf(amendmentPage) })
  amendments(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(amendmentQuery) asked: AmendmentQuery,
  ): Promise<Page<AmendmentItem>> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const { id } = await findBranch(tx, who, asked.branch, 'report.read');
      return listAmendments(tx, id, asked);
    });
  }

  @Get('sales')
  @Allow({ by: ['person', 'integration'], ability: 'report.read' })
  @ApiOperation({ summary: 'Consolidated sales with completeness per branch', description: `groupBy: ${COMBINABLE}` })
  sales(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(salesReportQuery) asked: SalesReportQuery,
  ): Promise<SalesReport> {
    const options = { isolation: 'REPEATABLE READ', statementMsMax: REPORT_MS_MAX } as const;
    return this.database.transaction(who.tenantId, (tx) => salesReport(tx, who, asked, this.clock.now()), options);
  }
}
