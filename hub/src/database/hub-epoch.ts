import type { NewId } from '@branchline/domain/uuid.js';
import type { Database, Tx } from './unit-of-work.js';

/**
 * Which life of the database this is. Another system identifier, timeline or database oid means a restored or copied one, whose feed
 * numbers may be given a second time: then a new epoch begins, and every edge looks again at what it holds.
 */
export async function renewHubEpoch(database: Database, newId: NewId): Promise<string> {
  const [state] = await database.asOwner<{ hub_epoch: string }>(RENEW, [newId()]);
  if (state === undefined) throw new Error('the hub has no epoch');
  return state.hub_epoch;
}

const RENEW = `
INSERT INTO hub_state (hub_epoch, lineage)
SELECT $1, concat_ws(':', system_identifier, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
                     (SELECT oid FROM pg_database WHERE datname = current_database()))
  FROM pg_control_system()
ON CONFLICT (single) DO UPDATE SET
  hub_epoch = CASE WHEN hub_state.lineage = excluded.lineage THEN hub_state.hub_epoch ELSE excluded.hub_epoch END,
  since     = CASE WHEN hub_state.lineage = excluded.lineage THEN hub_state.since ELSE now() END,
  lineage   = excluded.lineage
RETURNING hub_epoch`;

/**
 * A box has the hub's word for what the hub has forgotten: PostgreSQL need not have noticed that its files are those of
 * yesterday. Every edge takes its feed again.
 *
 * @param lost the epoch of which something is gone @returns null when a new one began already
 */
export async function renewLostEpoch(database: Database, lost: string, newId: NewId): Promise<string | null> {
  const [state] = await database.asOwner<{ hub_epoch: string }>(RENEW_LOST, [lost, newId()]);
  return state?.hub_epoch ?? null;
}

const RENEW_LOST = `
UPDATE hub_state SET hub_epoch = $2, since = now(), renewed_at = now()
WHERE hub_epoch = $1 RETURNING hub_epoch`;

/** By hand. */
export async function renewEpoch(database: Database, newId: NewId): Promise<string> {
  const sql = 'UPDATE hub_state SET hub_epoch = $1, since = now(), renewed_at = now() RETURNING hub_epoch';
  const [state] = await database.asOwner<{ hub_epoch: string }>(sql, [newId()]);
  if (state === undefined) throw new Error('the hub has no epoch');
  return state.hub_epoch;
}

export async function hubEpoch(tx: Tx): Promise<string> {
  const { hub_epoch } = await tx.one<{ hub_epoch: string }>('SELECT hub_epoch FROM hub_state');
  return hub_epoch;
}
