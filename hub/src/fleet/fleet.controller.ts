import { Controller, Get, Inject } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { code } from '@branchline/http/fields.js';
import { decodeCursor, pageQuery, type Page } from '@branchline/http/pagination.js';
import { openApiOf, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { branchesOf } from '../branches/find-branch.js';
import { Database } from '../database/unit-of-work.js';
import { CLOCK } from '../providers.js';
import { Contacts } from '../sync/contacts.js';
import { fleetItemSchema, listFleet, type FleetItem } from './list-fleet.js';

type Asking = PrincipalOf<'person' | 'integration'>;

const fleetQuery = z.strictObject(pageQuery);
const fleetPage = z.strictObject({ items: z.array(fleetItemSchema), next: z.string().nullable() });

@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1/fleet')
export class FleetController {
  constructor(
    private readonly database: Database,
    private readonly contacts: Contacts,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow({ by: ['person', 'integration'], ability: 'fleet.read' })
  @ApiOkResponse({ schema: openApiOf(fleetPage) })
  list(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(fleetQuery) page: z.infer<typeof fleetQuery>,
  ): Promise<Page<FleetItem>> {
    const [afterCode] = page.after === undefined ? [''] : decodeCursor(z.tuple([code]), page.after);
    const parts = { contacts: this.contacts, nowMs: this.clock.now() };
    return this.database.transaction(
      who.tenantId,
      async (tx) => listFleet(tx, await branchesOf(tx, who, 'fleet.read', afterCode), page.limit, parts),
      {
        isolation: 'REPEATABLE READ',
      },
    );
  }
}
