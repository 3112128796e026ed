import type { Readiness } from '@branchline/http/health.js';
import { SEQUENCER_LAG } from '../feed/sequencer-lag.js';
import type { Database } from './unit-of-work.js';

/** Ready when the database answers; with how far the sequencer is behind, for the person on call. */
export function readiness(database: Database): () => Promise<Readiness> {
  return async () => {
    try {
      const [lag] = await database.asOwner<{ tenants: number }>(SEQUENCER_LAG);
      return { ready: true, tenantsWithUnnumberedRecords: lag?.tenants ?? 0 };
    } catch {
      return { ready: false };
    }
  };
}
