import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';

/**
 * The wall with the guards taken away: no HTTP, no use case, a plain connection as the role of the use cases. Tables come from the
 * catalog, so that one that is added without a wall fails here.
 */
let harness: HubHarness;
let other: Signed;
let client: pg.Client;
let tables: string[];

const TABLES = `
SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY c.relname`;

beforeAll(async () => {
  harness = await startHubHarness();
  other = await harness.newTenant('OTHER');
  for (const [{ api }, branch] of [
    [harness.admin, 'B001'],
    [other, 'B001'],
  ] as const) {
    await createPlaces(api);
    await createBranch(api, branch);
    await api.post(`/v1/branches/${branch}/staff`, { operator: 'anna', name: 'Anna', role: 'cashier', pin: '1234' });
    await api.post(`/v1/branches/${branch}/enrolment-codes`, { for: 'device', till: 'T1' });
    const file = 'product,name,barcodes,assortments,priceZone,priceMinor\nP1,One,6001,A1,Z1,100\n';
    await api.post('/v1/imports/products', file, { headers: { 'content-type': 'text/csv' } });
  }
  await harness.numbered();
  client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  tables = (await client.query<{ name: string }>(TABLES)).rows.map(({ name }) => name);
});
afterAll(async () => {
  await client.end();
  await harness.close();
});

/** A transaction as the use cases have it, rolled back; each statement may fail by itself. */
async function asTenant<T>(
  tenantId: string | null,
  work: (run: (sql: string) => Promise<pg.QueryResult>) => Promise<T>,
): Promise<T> {
  await client.query('BEGIN');
  try {
    await client.query('SET LOCAL ROLE branchline_app');
    if (tenantId !== null) await client.query(`SELECT set_config('branchline.tenant_id', $1, true)`, [tenantId]);
    return await work((sql) => client.query(sql));
  } finally {
    await client.query('ROLLBACK');
  }
}

describe('row-level security', () => {
  it('stands on every table that has a tenant, and every table has one but two', async () => {
    const { rows } = await client.query<{ name: string }>(`
      SELECT c.relname AS name FROM pg_class c
       WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity
                  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_wall'))
       ORDER BY c.relname`);
    expect(rows.map(({ name }) => name)).toEqual(['hub_state', 'migration']);
    expect(tables.length).toBeGreaterThan(20);
  });

  it('shows one tenant nothing of another, in any table', async () => {
    const filled: string[] = [];
    for (const table of tables) {
      const [{ own, foreign }] = (
        await client.query(
          `SELECT count(*) FILTER (WHERE tenant_id = '${harness.admin.tenantId}')::int AS own,
                  count(*) FILTER (WHERE tenant_id = '${other.tenantId}')::int AS foreign FROM "${table}"`,
        )
      ).rows as [{ own: number; foreign: number }];
      if (own > 0 && foreign > 0) filled.push(table);
      const seen = await asTenant(
        harness.admin.tenantId,
        async (run) => (await run(`SELECT tenant_id FROM "${table}"`)).rows as { tenant_id: string }[],
      );
      expect([table, seen.length, seen.filter((row) => row.tenant_id !== harness.admin.tenantId)]).toEqual([
        table,
        own,
        [],
      ]);
    }
    // Without rows on both sides the loop would prove nothing.
    expect(filled).toEqual(
      expect.arrayContaining([
        'tenant',
        'person',
        'branch',
        'staff',
        'product',
        'price_entry',
        'feed_record',
        'refresh_token',
        'enrolment_code',
      ]),
    );
  });

  it('shows nothing at all to a session that names no tenant', async () => {
    for (const table of tables) {
      const seen = await asTenant(null, async (run) => (await run(`SELECT 1 FROM "${table}"`)).rowCount);
      expect([table, seen]).toEqual([table, 0]);
    }
  });

  it('lets one tenant change, remove or plant nothing of another, in any table', async () => {
    for (const table of tables) {
      for (const sql of [
        `UPDATE "${table}" SET tenant_id = tenant_id WHERE tenant_id = '${other.tenantId}'`,
        `DELETE FROM "${table}" WHERE tenant_id = '${other.tenantId}'`,
        `UPDATE "${table}" SET tenant_id = '${other.tenantId}'`,
        `INSERT INTO "${table}" (tenant_id) VALUES ('${other.tenantId}')`,
      ]) {
        const outcome = await asTenant(harness.admin.tenantId, (run) =>
          run(sql).then(
            (result) => result.rowCount ?? 0,
            (error: { code?: string }) => error.code,
          ),
        );
        // No row touched, or refused: 42501 by the wall or a missing grant, 428C9/23502 before the wall is asked.
        expect([sql, [0, '42501', '23502', '428C9'].includes(outcome ?? '')]).toEqual([sql, true]);
      }
    }
  });

  it('keeps a whole row of another tenant out, also where all its columns are right', async () => {
    const refused = await asTenant(harness.admin.tenantId, (run) =>
      run(`INSERT INTO region (tenant_id, code, name) VALUES ('${other.tenantId}', 'R9', 'planted')`).then(
        () => 'planted',
        (error: { code?: string }) => error.code,
      ),
    );
    expect(refused).toBe('42501');
  });

  it('keeps facts of the feed from being changed or removed, by grant', async () => {
    for (const sql of [
      'UPDATE feed_record SET version = 9',
      'DELETE FROM feed_record',
      'TRUNCATE feed_record',
      'DELETE FROM person',
    ]) {
      const outcome = await asTenant(harness.admin.tenantId, (run) =>
        run(sql).then(
          () => 'done',
          (error: { code?: string }) => error.code,
        ),
      );
      expect([sql, outcome]).toEqual([sql, '42501']);
    }
  });

  it('lets the look-ups across tenants be called by the owner only', async () => {
    const outcome = await asTenant(harness.admin.tenantId, (run) =>
      run(`SELECT * FROM branchline_person_for_sign_in('${other.email}')`).then(
        () => 'done',
        (error: { code?: string }) => error.code,
      ),
    );
    expect(outcome).toBe('42501');
  });

  it('forgets role and tenant with the transaction', async () => {
    await harness.database.transaction(harness.admin.tenantId, (tx) => tx.query('SELECT 1'));
    const rows = await harness.database.asOwner<{ role: string; tenant: string | null }>(
      `SELECT current_user AS role, nullif(current_setting('branchline.tenant_id', true), '') AS tenant`,
    );
    expect(rows[0]?.tenant).toBeNull();
    expect(rows[0]?.role).not.toBe('branchline_app');
  });
});
