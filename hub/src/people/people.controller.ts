import { Controller, Get, HttpCode, Inject, Patch, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { abilityFor } from '@branchline/access/ability.js';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { uuid } from '@branchline/http/fields.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { problem } from '@branchline/http/problem.js';
import { body, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf } from '../audit/record-audit.js';
import { changePerson, personChange } from './change-person.js';
import { SIGN_IN_PARTS } from './auth.controller.js';
import { createPerson, personInput, type CreatedPerson, type PersonInput } from './create-person.js';
import { listPeople } from './list-people.js';
import type { SignInParts } from './sign-in.js';

const listQuery = z.strictObject(pageQuery);

@ApiTags('people')
@ApiBearerAuth()
@Controller('v1/people')
@Allow({ by: 'person', ability: 'people.manage' })
export class PeopleController {
  constructor(@Inject(SIGN_IN_PARTS) private readonly parts: SignInParts) {}

  @Get()
  list(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @query(listQuery) page: z.infer<typeof listQuery>,
  ): Promise<Page<unknown>> {
    assertForTenant(who);
    return this.parts.database.transaction(who.tenantId, (tx) => listPeople(tx, page));
  }

  @Post()
  create(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @body(personInput) input: PersonInput,
  ): Promise<CreatedPerson> {
    assertForTenant(who);
    return createPerson(this.parts, who.tenantId, input, actorOf(who));
  }

  @Patch(':id')
  @HttpCode(204)
  change(
    @CurrentPrincipal('person') who: PrincipalOf<'person'>,
    @param('id', uuid) id: string,
    @body(personChange) change: z.infer<typeof personChange>,
  ): Promise<void> {
    assertForTenant(who);
    const at = { nowMs: this.parts.clock.now(), newId: this.parts.newId };
    return this.parts.database.transaction(who.tenantId, (tx) => changePerson(tx, id, change, actorOf(who), at));
  }
}

/** Who may manage people of one region could give himself the whole chain: only the tenant's own administrators may. */
function assertForTenant(who: PrincipalOf<'person'>): void {
  if (!abilityFor(who.grants).can('people.manage', { tenant: who.tenantId })) throw problem('forbidden');
}
