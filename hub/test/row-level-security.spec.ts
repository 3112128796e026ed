import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reversedAmounts } from '@branchline/replication/reverse-sale.js';
import pg from 'pg';
import { v7 } from 'uuid';
import { systemClock } from '@branchline/domain/clock.js';
import { beginBackup } from '../src/backups/backups.js';
import { raiseIncident } from '../src/incidents/raise-incident.js';
import { Contacts } from '../src/sync/contacts.js';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
  type Signed,
} from './hub-harness.js';
import { saleBody, type JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

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
  for (const tenant of [harness.admin, other]) await fill(tenant);
  await beginBackup({ database: harness.database, clock: systemClock, newId: v7 }, 'nightly');
  await harness.hub.app.get(Contacts).store();
  await harness.numbered();
  client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  tables = (await client.query<{ name: string }>(TABLES)).rows.map(({ name }) => name);
});
afterAll(async () => {
  await client.end();
  await harness.close();
});

/** Everything that a tenant has rows of, made as it comes about: a row of its own in every table. */
async function fill({ api, tenantId }: Signed): Promise<void> {
  await createPlaces(api);
  await createBranch(api, 'B001');
  await create(api, '/v1/branches/B001/staff', { operator: 'anna', name: 'Anna', role: 'cashier', pin: '1234' });
  await create(api, '/v1/branches/B001/enrolment-codes', { for: 'device', till: 'T1' });
  const file = 'product,name,barcodes,assortments,priceZone,priceMinor\nP1,One,6001,A1,Z1,100\n';
  await api.post('/v1/imports/products', file, { headers: { 'content-type': 'text/csv' } });
  await create(api, '/v1/auth/links', {});
  const grants = [{ abilities: ['report.read'], scope: 'tenant' }];
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  await create(api, '/v1/integrations', { name: 'Books', grants, expiresAt });

  const box = await TestBox.enrol(harness.url, api, 'B001');
  await apiAt(harness.url).post('/sync/v1/token', { box: box.box });
  for (const journal of historiesOf(box)) {
    const { status, data } = await box.push(journal.push());
    if (status !== 200) throw new Error(`push: ${status} ${JSON.stringify(data)}`);
  }
  await harness.database.transaction(tenantId, (tx) =>
    raiseIncident(tx, { branchId: null, code: 'x', key: 'x', detail: 'x' }, { nowMs: 0, newId: v7 }),
  );
  await box.hello({ cursors: [{ scope: 'tenant', hubEpoch: null, number: 0, hash: '0'.repeat(64) }] });
  await harness.database.transaction(tenantId, (tx) =>
    tx.execute(`INSERT INTO feed_segment SELECT tenant_id, 'tenant', $1, 0, 'br', '' FROM tenant`, [v7()]),
  );
  await harness.database.transaction(tenantId, (tx) =>
    tx.execute(`INSERT INTO feed_contract SELECT tenant_id, 'price', 2, now() FROM tenant`),
  );
  await api.get('/v1/bundles/B001');
  await create(api, '/v1/customers', { name: 'Ann', region: 'R1' });
  const { status } = await api.post('/v1/fleet/B001/verify');
  expect(status).toBe(200);
}

/** Of every kind of fact one, and of what does not go as it should: a number printed twice, a fact told again, another one altered. */
function historiesOf(box: TestBox): JournalBuilder[] {
  const first = box.newJournal();
  const codeHash = '0'.repeat(64);
  const device = v7();
  first.append('device-enrol', device, { device, name: 'Till', till: 'T1', codeHash, tokenHash: codeHash });
  const shift = first.shiftOpen();
  const sale = first.sale({ lines: [{ priceMinor: 1000, modifiers: [{ kind: 'loyalty', amountMinor: -150 }] }] });
  first.sale({ receiptNumber: sale.receiptNumber, flags: ['late'] });
  const altered = first.sale({ lines: [{ taxes: [{ code: 'CITY', ratePpm: 150_000, amountMinor: 1 }] }] });
  const change = { id: v7(), customer: v7(), op: 'create', box: box.box, hlc: '000000000001-0000' };
  first.append('customer-edit', change.id, { ...change, changes: { region: { value: 'R1', over: [] } } });
  const reversal = { ...sale, ...reversedAmounts(sale), id: v7(), receiptNumber: 'V1' };
  first.append('sale', reversal.id, { ...reversal, reverses: { sale: sale.id, contentHash: codeHash } });
  first.shiftClose(shift, 1);
  first.daySeal();
  const previous = { incarnation: first.incarnation, seq: 1, hash: first.hashAt(1) };
  const second = box.newJournal({ epoch: box.epoch + 1, previous });
  second.saleAgain(sale, 'P-T1-2-000001');
  second.append('sale', altered.id, saleBody(box.branchCode, 3, 1, { id: altered.id, lines: [{ priceMinor: 1 }] }));
  return [first, second];
}

/** Emptied at any moment: each tenant has a row there for as long as somebody looks. */
const PASSING: Readonly<Record<string, string>> = {
  outbox: `INSERT INTO outbox (tenant_id, scope, kind, key, contract, deleted, body) VALUES ($1, 'tenant', 'product', 'P', 1, false, '{}')`,
  customer_edit_withheld: `INSERT INTO customer_edit_withheld VALUES ($1, gen_random_uuid(), gen_random_uuid())`,
  person_key_retired: `INSERT INTO person_key_retired VALUES ($1, gen_random_uuid(), '', gen_random_uuid())`,
  person_key_offer: `INSERT INTO person_key_offer VALUES ($1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '', now())`,
};

/** A transaction as the use cases have it, rolled back; each statement may fail by itself. */
async function asTenant<T>(
  tenantId: string | null,
  work: (run: (sql: string) => Promise<pg.QueryResult>) => Promise<T>,
): Promise<T> {
  await client.query('BEGIN');
  return enteredAs(tenantId, work);
}

/** The rest of a transaction that has begun. */
async function enteredAs<T>(
  tenantId: string | null,
  work: (run: (sql: string) => Promise<pg.QueryResult>) => Promise<T>,
): Promise<T> {
  try {
    await client.query('SET LOCAL ROLE branchline_app');
    if (tenantId !== null) await client.query(`SELECT set_config('branchline.tenant_id', $1, true)`, [tenantId]);
    return await work((sql) => client.query(sql));
  } finally {
    await client.query('ROLLBACK');
  }
}

describe('row-level security', () => {
  it('stands on every table that has a tenant, and every table has one but those of the hub itself', async () => {
    const { rows } = await client.query<{ name: string }>(`
      SELECT c.relname AS name FROM pg_class c
       WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
         AND NOT (c.relrowsecurity AND c.relforcerowsecurity
                  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_wall'))
       ORDER BY c.relname`);
    expect(rows.map(({ name }) => name)).toEqual(['hub_backup', 'hub_state', 'migration']);
    expect(tables.length).toBeGreaterThan(20);
  });

  it('shows one tenant nothing of another, in any table', async () => {
    const filled: string[] = [];
    for (const table of tables) {
      await client.query('BEGIN');
      const plant = PASSING[table];
      for (const { tenantId } of [harness.admin, other]) if (plant) await client.query(plant, [tenantId]);
      const [{ own, foreign }] = (
        await client.query(
          `SELECT count(*) FILTER (WHERE tenant_id = '${harness.admin.tenantId}')::int AS own,
                  count(*) FILTER (WHERE tenant_id = '${other.tenantId}')::int AS foreign FROM "${table}"`,
        )
      ).rows as [{ own: number; foreign: number }];
      if (own > 0 && foreign > 0) filled.push(table);
      const seen = await enteredAs(
        harness.admin.tenantId,
        async (run) => (await run(`SELECT tenant_id FROM "${table}"`)).rows as { tenant_id: string }[],
      );
      expect([table, seen.length, seen.filter((row) => row.tenant_id !== harness.admin.tenantId)]).toEqual([
        table,
        own,
        [],
      ]);
    }
    // Without rows on both sides the loop would prove nothing. A new table is to be filled above.
    expect(tables.filter((table) => !filled.includes(table))).toEqual([]);
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
    for (const sql of ['UPDATE feed_record SET version = 9', 'TRUNCATE feed_record', 'DELETE FROM person']) {
      const outcome = await asTenant(harness.admin.tenantId, (run) =>
        run(sql).then(
          () => 'done',
          (error: { code?: string }) => error.code,
        ),
      );
      expect([sql, outcome]).toEqual([sql, '42501']);
    }
  });

  it('lets nothing of the feed be removed that a box may still be sent', async () => {
    const count = 'SELECT count(*)::int AS count FROM feed_record';
    const [before, after] = await asTenant(harness.admin.tenantId, async (run) => {
      const found = await run(count);
      await run('DELETE FROM feed_record');
      return [found, await run(count)];
    });
    expect(after).toEqual(before);
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
