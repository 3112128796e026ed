import { Controller, Get, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { PrincipalOf } from '@branchline/access/principal.js';
import { Allow, CurrentPrincipal } from '@branchline/access/route-access.js';
import { pageQuery, type Page } from '@branchline/http/pagination.js';
import { body, query } from '@branchline/http/schema.js';
import { z } from 'zod';
import { Database } from '../database/unit-of-work.js';
import { assertForTenant } from './find-branch.js';
import * as places from './places.js';

const listQuery = z.strictObject(pageQuery);
type Who = PrincipalOf<'person'>;
type ListQuery = z.infer<typeof listQuery>;

/** What branches are grouped by. Seen by all who see branches; changed by those who answer for the whole chain. */
@ApiTags('branches')
@ApiBearerAuth()
@Controller('v1')
export class PlacesController {
  constructor(private readonly database: Database) {}

  @Get('regions')
  @Allow({ by: 'person', ability: 'branch.read' })
  regions(@CurrentPrincipal('person') who: Who, @query(listQuery) page: ListQuery): Promise<Page<places.Place>> {
    return this.database.transaction(who.tenantId, (tx) => places.listPlaces(tx, 'region', page));
  }

  @Post('regions')
  @Allow({ by: 'person', ability: 'branch.manage' })
  createRegion(
    @CurrentPrincipal('person') who: Who,
    @body(places.regionInput) input: places.Place,
  ): Promise<places.Place> {
    assertForTenant(who, 'branch.manage');
    return places.creating(this.database, who.tenantId, (tx) => places.createRegion(tx, input));
  }

  @Get('assortments')
  @Allow({ by: 'person', ability: 'branch.read' })
  assortments(@CurrentPrincipal('person') who: Who, @query(listQuery) page: ListQuery): Promise<Page<places.Place>> {
    return this.database.transaction(who.tenantId, (tx) => places.listPlaces(tx, 'assortment', page));
  }

  @Post('assortments')
  @Allow({ by: 'person', ability: 'catalogue.manage' })
  createAssortment(
    @CurrentPrincipal('person') who: Who,
    @body(places.assortmentInput) input: places.Place,
  ): Promise<places.Place> {
    assertForTenant(who, 'catalogue.manage');
    return places.creating(this.database, who.tenantId, (tx) => places.createAssortment(tx, input));
  }

  @Get('price-zones')
  @Allow({ by: 'person', ability: 'branch.read' })
  priceZones(@CurrentPrincipal('person') who: Who, @query(listQuery) page: ListQuery): Promise<Page<places.PriceZone>> {
    return this.database.transaction(who.tenantId, (tx) => places.listPlaces(tx, 'priceZone', page));
  }

  @Post('price-zones')
  @Allow({ by: 'person', ability: 'catalogue.manage' })
  createPriceZone(
    @CurrentPrincipal('person') who: Who,
    @body(places.priceZoneInput) input: z.infer<typeof places.priceZoneInput>,
  ): Promise<places.PriceZone> {
    assertForTenant(who, 'catalogue.manage');
    return places.creating(this.database, who.tenantId, (tx) => places.createPriceZone(tx, input));
  }

  @Get('tax-classes')
  @Allow({ by: 'person', ability: 'branch.read' })
  taxClasses(@CurrentPrincipal('person') who: Who, @query(listQuery) page: ListQuery): Promise<Page<places.TaxClass>> {
    return this.database.transaction(who.tenantId, (tx) => places.listPlaces(tx, 'taxClass', page));
  }

  @Post('tax-classes')
  @Allow({ by: 'person', ability: 'catalogue.manage' })
  createTaxClass(
    @CurrentPrincipal('person') who: Who,
    @body(places.taxClassInput) input: places.TaxClass,
  ): Promise<places.TaxClass> {
    assertForTenant(who, 'catalogue.manage');
    return places.creating(this.database, who.tenantId, (tx) => places.createTaxClass(tx, input));
  }
}
