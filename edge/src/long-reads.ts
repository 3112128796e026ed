import { xReport } from './cash/x-report.js';
import { listProducts } from './catalogue/list-products.js';
import { findCustomers } from './customers/find-customers.js';
import { listQueue } from './replicator/list-queue.js';
import { findSales } from './selling/find-sales.js';
import type { ReadJobs } from './store/read-job.js';

/**
 * Every read that is done in the reader's thread. Measured on a file of 100,000 products and 60,000 sales, on the main
 * thread, median and worst in ms: sales 5–8, 30; a search that finds nothing 7, 10; a page of 500 products 7, 16; the queue 8,
 * 25; X of a shift of 5,000 sales 2.4, 4.6. What stays outside took less than 1: one sale, one barcode, stock, the log.
 */
export const LONG_READS = {
  'find-customers': findCustomers,
  'find-sales': findSales,
  'list-products': listProducts,
  'x-report': xReport,
  'list-queue': listQueue,
} satisfies ReadJobs;

export type LongReads = typeof LONG_READS;
