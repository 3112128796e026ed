import type { Type } from '@nestjs/common';
import { CashModule } from './cash/cash.module.js';
import { CatalogueModule } from './catalogue/catalogue.module.js';
import { SellingModule } from './selling/selling.module.js';
import { StaffModule } from './staff/staff.module.js';
import { StockModule } from './stock/stock.module.js';
import { TillsModule } from './tills/tills.module.js';

/** What a store's box can do, one module each. */
export const CAPABILITIES: Type[] = [SellingModule, CashModule, TillsModule, StaffModule, CatalogueModule, StockModule];
