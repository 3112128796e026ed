import type { FeedKind } from '@branchline/replication/feed.js';
import { applyPrice, applyProduct, applyTaxClass } from './catalogue/apply-catalogue.js';
import type { FeedApplier } from './feed-record.js';
import { applyOperator } from './staff/apply-operator.js';
import { applyBranchSettings } from './tills/branch-settings.js';
import { applyDeviceCode } from './tills/device-code.js';

/** A release is no row: it says when others become visible, which is the replicator's to know. */
export const FEED_APPLIERS: Record<Exclude<FeedKind, 'release'>, FeedApplier> = {
  product: applyProduct,
  price: applyPrice,
  'tax-class': applyTaxClass,
  'branch-settings': applyBranchSettings,
  operator: applyOperator,
  'device-code': applyDeviceCode,
};
