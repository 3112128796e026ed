import type { Clock } from '@branchline/domain/clock.js';
import type { NewId } from '@branchline/domain/uuid.js';
import { BadInput } from '@branchline/http/exit.js';
import type { Database, Tx } from '../database/unit-of-work.js';
import type { HubSecrets } from '../secrets.js';
import { archivedHashes } from '../sync/archive.js';
import { verifyBranches } from '../verify/verify-branches.js';

export type BackupParts = { database: Database; clock: Clock; newId: NewId };

export type Backup = {
  id: string;
  what: string;
  begunAt: string;
  verifiedAt: string | null;
  /** Histories whose head it is known to hold. */
  heads: number;
};

type Head = { branchId: string; branch: string; incarnation: string; seq: number; hash: string };

/**
 * Before a backup is made, by whatever tool: notes where every history stands, so that the backup, which is read later,
 * holds at least that. @param what its file, or what the operator calls it @returns its id
 */
export async function beginBackup({ database, clock, newId }: BackupParts, what: string): Promise<string> {
  const id = newId();
  await database.asOwner(
    'INSERT INTO hub_backup (id, begun_at, what) VALUES ($1, to_timestamp($2::bigint / 1000.0), $3)',
    [id, clock.now(), what],
  );
  for (const tenant of await tenantsOf(database)) {
    await database.transaction(tenant, (tx) => tx.execute(NOTE_HEADS, [id]));
  }
  return id;
}

const NOTE_HEADS = `
INSERT INTO backup_head (tenant_id, backup_id, branch_id, incarnation, seq, hash)
SELECT tenant_id, $1, branch_id, incarnation, applied_seq, head_hash FROM incarnation WHERE applied_seq > 0`;

/**
 * Proves a backup from where it was restored to: each history is there up to the head that was noted, and everything that
 * is stored of every branch follows from its archived lines. From then on its heads count as durable.
 *
 * @param restored another database than this one @returns what does not hold; empty: it is verified
 * @throws BadInput for a backup that is not known, or is not the one that was restored
 */
export async function verifyBackup(
  { database, clock, newId }: BackupParts,
  id: string,
  { restored, secrets }: { restored: Database; secrets: HubSecrets },
): Promise<string[]> {
  await known(database, id);
  await assertAnother(database, restored, id);
  const wrong: string[] = [];
  for (const tenant of await tenantsOf(database)) {
    const heads = await database.transaction(tenant, (tx) => headsOf(tx, id));
    wrong.push(...(await restored.transaction(tenant, (tx) => missingIn(tx, heads))));
  }
  await verifyBranches({ database: restored, secrets, clock, newId }, {}, (told) => {
    if (told.outcome === 'equal') return;
    const why = 'differences' in told ? told.differences.map(({ what }) => what).join(', ') : told.detail;
    wrong.push(`${told.tenant} ${told.branch}: ${told.outcome}: ${why}`);
  });
  if (wrong.length > 0) return wrong;
  await database.asOwner('UPDATE hub_backup SET verified_at = to_timestamp($2::bigint / 1000.0) WHERE id = $1', [
    id,
    clock.now(),
  ]);
  return [];
}

/** It is deleted, or about to be: nothing rests on it any more. @throws BadInput */
export async function forgetBackup({ database, clock }: BackupParts, id: string): Promise<void> {
  await known(database, id);
  await database.asOwner('UPDATE hub_backup SET forgotten_at = to_timestamp($2::bigint / 1000.0) WHERE id = $1', [
    id,
    clock.now(),
  ]);
  for (const tenant of await tenantsOf(database)) {
    await database.transaction(tenant, (tx) => tx.execute('DELETE FROM backup_head WHERE backup_id = $1', [id]));
  }
}

/** Those that are kept, the oldest first. */
export async function listBackups({ database }: Pick<BackupParts, 'database'>): Promise<Backup[]> {
  const rows = await database.asOwner<{ id: string; what: string; begunAt: Date; verifiedAt: Date | null }>(
    `SELECT id, what, begun_at AS "begunAt", verified_at AS "verifiedAt" FROM hub_backup WHERE forgotten_at IS NULL ORDER BY begun_at, id`,
  );
  const heads = new Map<string, number>();
  for (const tenant of await tenantsOf(database)) {
    const counted = await database.transaction(tenant, (tx) =>
      tx.query<{ id: string; heads: number }>(
        'SELECT backup_id AS id, count(*)::int AS heads FROM backup_head GROUP BY backup_id',
      ),
    );
    for (const { id, heads: more } of counted) heads.set(id, (heads.get(id) ?? 0) + more);
  }
  return rows.map(({ id, what, begunAt, verifiedAt }) => ({
    id,
    what,
    begunAt: begunAt.toISOString(),
    verifiedAt: verifiedAt?.toISOString() ?? null,
    heads: heads.get(id) ?? 0,
  }));
}

async function tenantsOf(database: Database): Promise<string[]> {
  const rows = await database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id ORDER BY 1');
  return rows.map(({ id }) => id);
}

async function known(database: Database, id: string): Promise<void> {
  const [row] = await database.asOwner('SELECT 1 FROM hub_backup WHERE id = $1 AND forgotten_at IS NULL', [id]);
  if (row === undefined) throw new BadInput(`no backup ${id} is kept`);
}

/**
 * A copy of the files has the same system identifier and name. What the two databases cannot share is a lock: one that is
 * held here can be had there.
 */
async function assertAnother(database: Database, restored: Database, id: string): Promise<void> {
  const [row] = await restored.asOwner('SELECT 1 FROM hub_backup WHERE id = $1', [id]);
  if (row === undefined) throw new BadInput(`what was restored is not backup ${id}: it was made before that began`);
  const isSame = await database.holdingLock(id, async () => !(await restored.mayLock(id)));
  if (isSame) throw new BadInput('what is said to be restored is the database itself');
}

function headsOf(tx: Tx, id: string): Promise<Head[]> {
  return tx.query<Head>(
    `SELECT h.branch_id AS "branchId", b.code AS branch, h.incarnation, h.seq, encode(h.hash, 'hex') AS hash
       FROM backup_head h JOIN branch b ON b.id = h.branch_id WHERE h.backup_id = $1 ORDER BY b.code, h.incarnation`,
    [id],
  );
}

async function missingIn(tx: Tx, heads: readonly Head[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { branchId, branch, incarnation, seq, hash } of heads) {
    const [found] = await archivedHashes(tx, branchId, [{ incarnation, seq }]);
    if (found !== hash)
      wrong.push(`${branch}: line ${seq} of ${incarnation} is ${found ? 'another one' : 'not there'}`);
  }
  return wrong;
}
