import { Controller, Get } from '@nestjs/common';
import { Allow } from '@branchline/access/route-access.js';
import { documented } from '@branchline/http/documented.js';
import type { Page } from '@branchline/http/pagination.js';
import { query } from '@branchline/http/schema.js';
import { Store } from '../store/store.js';
import { listStock, stockQuery, type StockItem, type StockQuery } from './list-stock.js';

@documented('stock', { bearer: true })
@Controller('v1/stock')
export class StockController {
  constructor(private readonly store: Store) {}

  @Get()
  @Allow({ by: 'operator', ability: 'stock.read' })
  list(@query(stockQuery) filter: StockQuery): Page<StockItem> {
    return listStock(this.store.reads, filter);
  }
}
