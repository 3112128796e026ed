import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { abilityFor } from '@branchline/access/ability.js';
import type { AbilityName } from '@branchline/access/abilities.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { uuid } from '@branchline/http/fields.js';
import type { Page } from '@branchline/http/pagination.js';
import { body, openApiOf, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf } from '../audit/record-audit.js';
import { chosenBranches } from '../branches/find-branch.js';
import { Database, type Tx } from '../database/unit-of-work.js';
import { CLOCK, NEW_ID } from '../providers.js';
import { closeIncident, closeInput } from './close-incident.js';
import {
  incidentItem,
  incidentQuery,
  listIncidents,
  type IncidentItem,
  type IncidentQuery,
  type IncidentReach,
} from './list-incidents.js';

const incidentPage = z.strictObject({ items: z.array(incidentItem), next: z.string().nullable() });
type Who = PrincipalOf<'person'>;
type Asking = PrincipalOf<'person' | 'integration'>;

@ApiTags('incidents')
@ApiBearerAuth()
@Controller('v1/incidents')
export class IncidentsController {
  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(NEW_ID) private readonly newId: NewId,
  ) {}

  @Get()
  @Allow({ by: ['person', 'integration'], ability: 'incident.read' })
  @ApiOkResponse({ schema: openApiOf(incidentPage) })
  list(
    @CurrentPrincipal('person', 'integration') who: Asking,
    @query(incidentQuery) asked: IncidentQuery,
  ): Promise<Page<IncidentItem>> {
    return this.database.transaction(who.tenantId, async (tx) =>
      listIncidents(tx, await reachOf(tx, who, 'incident.read', asked.branch), asked),
    );
  }

  @Post(':id/close')
  @HttpCode(200)
  @Allow({ by: 'person', ability: 'incident.close' })
  @ApiOkResponse({ schema: openApiOf(incidentItem) })
  close(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @body(closeInput) { note }: z.infer<typeof closeInput>,
  ): Promise<IncidentItem> {
    return this.database.transaction(who.tenantId, async (tx) => {
      const reach = await reachOf(tx, who, 'incident.close');
      return closeIncident(tx, { id, note, by: actorOf(who), reach }, { nowMs: this.clock.now(), newId: this.newId });
    });
  }
}

async function reachOf(tx: Tx, who: Asking, ability: AbilityName, branch?: string): Promise<IncidentReach> {
  const branches = await chosenBranches(tx, who, ability, branch);
  const wholeTenant = branch === undefined && abilityFor(who.grants).can(ability, { tenant: who.tenantId });
  return { branchIds: branches.map(({ id }) => id), wholeTenant };
}
