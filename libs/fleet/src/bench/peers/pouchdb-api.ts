import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { SaleDocument } from './read-documents.js';

/** As much of PouchDB as is used; its types are not installed. */
export interface PouchDb {
  info(): Promise<{ doc_count: number }>;
  bulkDocs(documents: readonly (SaleDocument & { _id: string })[]): Promise<readonly { error?: unknown }[]>;
  allDocs(options: { include_docs: true; limit: number; startkey?: string; skip?: number }): Promise<{
    rows: { id: string; doc: SaleDocument & { _id: string; _rev: string } }[];
  }>;
  replicate: {
    to(
      url: string,
      options: { live: true; retry: true; batch_size: number; batches_limit: number },
    ): {
      cancel(): void;
    };
  };
  close(): Promise<void>;
}

export interface PouchDbClass {
  new (name: string): PouchDb;
  defaults(options: { prefix: string }): PouchDbClass;
}

export function requireFrom<T>(modules: string, name: string): T {
  return createRequire(join(modules, 'package.json'))(name) as T;
}
