import type { FeedKind } from '@branchline/replication/feed.js';
import { PRICES, PRODUCTS, TAX_CLASSES } from './catalogue/apply-catalogue.js';
import { CUSTOMERS, ERASURES } from './customers/apply-customer.js';
import type { FeedRows } from './feed-record.js';
import { CORRECTIONS } from './selling/corrections.js';
import { OPERATORS } from './staff/apply-operator.js';
import { WORK_LISTS } from './replicator/work-lists.js';
import { BRANCH_SETTINGS } from './tills/branch-settings.js';
import { DEVICE_CODES } from './tills/device-code.js';

/** A release is no row: it says when others become visible, which is the replicator's to know. */
export type RowsKind = Exclude<FeedKind, 'release'>;

/** Every kind of the feed that has rows here: how they are applied, given back, and dropped with the scope that brought them. */
export const FEED_ROWS: Readonly<Record<RowsKind, FeedRows>> = {
  product: PRODUCTS,
  price: PRICES,
  'tax-class': TAX_CLASSES,
  'branch-settings': BRANCH_SETTINGS,
  operator: OPERATORS,
  'device-code': DEVICE_CODES,
  customer: CUSTOMERS,
  erasure: ERASURES,
  correction: CORRECTIONS,
  'work-lists': WORK_LISTS,
};
