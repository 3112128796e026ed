import type { HelloRequest } from '@branchline/replication/box-protocol.js';
import type { Tx } from '../database/unit-of-work.js';

/**
 * How far a box has come, as it says: what it has passed need not be kept for it. Of the branch's own scopes only, so that
 * a box that left a scope holds up nothing there.
 *
 * @param isCarried it came on a stick: what the box said since, by line or in a later bundle, stands
 */
export async function noteCursors(
  tx: Tx,
  boxId: string,
  scopes: readonly string[],
  cursors: HelloRequest['cursors'],
  saidAtMs: number,
  isCarried: boolean,
): Promise<void> {
  const told = new Map(cursors.filter(({ scope }) => scopes.includes(scope)).map((cursor) => [cursor.scope, cursor]));
  const own = [...told.values()];
  await tx.execute('DELETE FROM box_cursor WHERE box_id = $1 AND scope <> ALL ($2::text[])', [boxId, scopes]);
  await tx.execute(NOTE, [
    tx.tenantId,
    boxId,
    own.map(({ scope }) => scope),
    own.map(({ hubEpoch }) => hubEpoch),
    own.map(({ number }) => number),
    ...[saidAtMs, isCarried],
  ]);
}

const NOTE = `
INSERT INTO box_cursor (tenant_id, box_id, scope, hub_epoch, number, told_at)
SELECT $1, $2, scope, hub_epoch, number, to_timestamp($6::bigint / 1000.0)
  FROM unnest($3::text[], $4::uuid[], $5::bigint[]) AS told (scope, hub_epoch, number)
ON CONFLICT (tenant_id, box_id, scope) DO UPDATE SET hub_epoch = excluded.hub_epoch, number = excluded.number,
  told_at = excluded.told_at
WHERE NOT $7::boolean OR box_cursor.told_at <= excluded.told_at`;
