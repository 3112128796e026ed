import type { Clock } from '@branchline/domain/clock.js';
import type { Readiness } from '@branchline/http/health.js';
import { workListFigures } from '../worklists/work-list-figures.js';
import { SEQUENCER_LAG } from '../feed/sequencer-lag.js';
import type { Database } from './unit-of-work.js';

/** Ready when the database answers; with how far the sequencer is behind and what waits for people, for the person on call. */
export function readiness(database: Database, clock: Clock): () => Promise<Readiness> {
  return async () => {
    try {
      const [lag] = await database.asOwner<{ tenants: number }>(SEQUENCER_LAG);
      const lists = await workListFigures(database, clock.now());
      return { ready: true, tenantsWithUnnumberedRecords: lag?.tenants ?? 0, ...lists };
    } catch {
      return { ready: false };
    }
  };
}
