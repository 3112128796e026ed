import { Controller, Get, Header, Inject } from '@nestjs/common';
import { Allow } from '@branchline/access/route-access.js';
import type { Clock } from '@branchline/domain/clock.js';
import { documented } from '@branchline/http/documented.js';
import type { Page } from '@branchline/http/pagination.js';
import { query } from '@branchline/http/schema.js';
import { CLOCK } from '../clock.js';
import type { LongReads } from '../long-reads.js';
import { JSON_TYPE, jsonText, type JsonText } from '../store/read-job.js';
import { Reader } from '../store/reader.js';
import { Store } from '../store/store.js';
import { listProducts, productsQuery, type ProductItem, type ProductsQuery } from './list-products.js';

@documented('catalogue', { bearer: true })
@Controller('v1/products')
export class CatalogueController {
  constructor(
    private readonly store: Store,
    private readonly reader: Reader<LongReads>,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Get()
  @Allow({ by: 'operator', ability: 'product.read' })
  @Header('content-type', JSON_TYPE)
  async list(@query(productsQuery) filter: ProductsQuery): Promise<JsonText<Page<ProductItem>>> {
    const read = { query: filter, nowMs: this.clock.now() };
    // A scan is a point read, and somebody stands at the till.
    if (filter.barcode !== undefined) return jsonText(listProducts(this.store.reads, read));
    return this.reader.read('list-products', read);
  }
}
