import { Controller, Delete, Get, HttpCode, Inject, Logger, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { uuid } from '@branchline/http/fields.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { body, openApiOf, param, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { actorOf, recordAudit } from '../audit/record-audit.js';
import { assertForTenant } from '../branches/find-branch.js';
import type { Tx } from '../database/unit-of-work.js';
import { createIntegration, type IntegrationParts } from './create-integration.js';
import { endIntegration, revokeToken } from './end-integration.js';
import {
  createdIntegration,
  integrationInput,
  integrationItem,
  newTokenSchema,
  rotationInput,
  type CreatedIntegration,
  type IntegrationInput,
  type IntegrationItem,
  type NewToken,
  type RotationInput,
} from './integration-input.js';
import { listIntegrations } from './list-integrations.js';
import { rotateToken } from './rotate-token.js';

export const INTEGRATION_PARTS = Symbol('integration parts');

type Who = PrincipalOf<'person'>;
const listQuery = z.strictObject(pageQuery);
const listPage = z.strictObject({ items: z.array(integrationItem), next: z.string().nullable() });

/** For people: a system can neither make another nor prolong itself. */
@ApiTags('integrations')
@ApiBearerAuth()
@Controller('v1/integrations')
@Allow({ by: 'person', ability: 'integration.manage' })
export class IntegrationsController {
  private readonly logger = new Logger('integrations');

  constructor(@Inject(INTEGRATION_PARTS) private readonly parts: IntegrationParts) {}

  @Get()
  @ApiOkResponse({ schema: openApiOf(listPage) })
  list(
    @CurrentPrincipal('person') who: Who,
    @query(listQuery) page: z.infer<typeof listQuery>,
  ): Promise<Page<IntegrationItem>> {
    return this.inTenant(who, (tx) => listIntegrations(tx, page, this.parts.clock.now()));
  }

  @Post()
  @ApiCreatedResponse({ schema: openApiOf(createdIntegration) })
  async create(
    @CurrentPrincipal('person') who: Who,
    @body(integrationInput) input: IntegrationInput,
  ): Promise<CreatedIntegration> {
    assertForTenant(who, 'integration.manage');
    const created = await createIntegration(this.parts, who, input);
    this.tell('integration-created', who, created.id, created.token.id);
    return created;
  }

  @Post(':id/tokens')
  @ApiCreatedResponse({ schema: openApiOf(newTokenSchema) })
  async rotate(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @body(rotationInput) input: RotationInput,
  ): Promise<NewToken> {
    const made = await this.inTenant(who, async (tx) => {
      const token = await rotateToken(tx, this.parts, id, input);
      await this.audit(tx, who, 'integration.token.create', id, { token: token.id, expiresAt: token.expiresAt });
      return token;
    });
    this.tell('integration-token-created', who, id, made.id);
    return made;
  }

  @Delete(':id/tokens/:tokenId')
  @HttpCode(204)
  async revoke(
    @CurrentPrincipal('person') who: Who,
    @param('id', uuid) id: string,
    @param('tokenId', uuid) tokenId: string,
  ): Promise<void> {
    await this.inTenant(who, async (tx) => {
      await revokeToken(tx, id, tokenId, this.parts.clock.now());
      await this.audit(tx, who, 'integration.token.revoke', id, { token: tokenId });
    });
    this.tell('integration-token-revoked', who, id, tokenId);
  }

  @Delete(':id')
  @HttpCode(204)
  async end(@CurrentPrincipal('person') who: Who, @param('id', uuid) id: string): Promise<void> {
    await this.inTenant(who, async (tx) => {
      await endIntegration(tx, id, this.parts.clock.now());
      await this.audit(tx, who, 'integration.end', id, {});
    });
    this.tell('integration-ended', who, id);
  }

  /** What an integration may can reach beyond any region: only who manages them for the whole chain gets in. */
  private inTenant<T>(who: Who, work: (tx: Tx) => Promise<T>): Promise<T> {
    assertForTenant(who, 'integration.manage');
    return this.parts.database.transaction(who.tenantId, work);
  }

  private audit(tx: Tx, who: Who, action: string, id: string, detail: Record<string, unknown>): Promise<void> {
    const entry = { actor: actorOf(who), action, subject: `integration:${id}`, branchId: null, detail };
    return recordAudit(tx, entry, { nowMs: this.parts.clock.now(), newId: this.parts.newId });
  }

  private tell(event: string, who: Who, integration: string, tokenId?: string): void {
    this.logger.log({ event, integration, ...(tokenId !== undefined && { tokenId }), by: who.email });
  }
}
