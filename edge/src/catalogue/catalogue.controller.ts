import { Controller, Get, Inject } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { Allow } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import type { Page } from '@branchline/http/pagination.js';
import { query } from '@branchline/http/schema.js';
import { CLOCK } from '../clock.js';
import { Store } from '../store/store.js';
import { listProducts, productsQuery, type ProductItem, type ProductsQuery } from './list-products.js';

@ApiTags('catalogue')
@ApiBearerAuth()
@Controller('v1/products')
export class CatalogueController {
  constructor(
    private readonly store: Store,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow({ by: 'operator', ability: 'product.read' })
  list(@query(productsQuery) filter: ProductsQuery): Page<ProductItem> {
    return listProducts(this.store.reads, filter, this.clock.now());
  }
}
