import { describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { PersonKeyOffers } from '../src/database/migrations/000023-person-key-offers.js';
import { withOlderDatabase } from './older-database.js';

const [TENANT, BRANCH, MADE, OFFICE] = [v7(), v7(), v7(), v7()];

const BEFORE = [
  `INSERT INTO tenant (tenant_id, code, name, currency, created_at) VALUES ('${TENANT}', 'T', 'T', 'ZAR', now())`,
  ...[MADE, OFFICE].map(
    (id) => `INSERT INTO customer (tenant_id, id, state, changed_at) VALUES ('${TENANT}', '${id}', '{}', now())`,
  ),
  `INSERT INTO customer_edit (tenant_id, branch_id, incarnation, id, customer_id, op, box, hlc, changes, seq, content_hash)
   VALUES ('${TENANT}', '${BRANCH}', '${v7()}', '${v7()}', '${MADE}', 'create', '${v7()}', 'h', '{}', 2, '')`,
];

/** As deploy/README.md has it: owns the tables, and is no superuser, before whom no wall stands. */
const OWNER = [
  'CREATE ROLE plain_owner',
  'GRANT CREATE, USAGE ON SCHEMA public TO plain_owner',
  'GRANT EXECUTE ON FUNCTION branchline_protect TO plain_owner',
  'GRANT REFERENCES ON tenant TO plain_owner',
  'ALTER TABLE customer OWNER TO plain_owner',
  'ALTER TABLE customer_edit OWNER TO plain_owner',
  'SET LOCAL ROLE plain_owner',
];

describe('customers of before the offers', () => {
  it('have as their maker the branch that told of them, also where the owner of the tables is nobody special', async () => {
    await withOlderDatabase(PersonKeyOffers, async (dataSource) => {
      const runner = dataSource.createQueryRunner();
      try {
        // Never committed: a role is the whole server's.
        await runner.query('BEGIN');
        for (const sql of [...BEFORE, ...OWNER]) await runner.query(sql);
        await new PersonKeyOffers().up(runner);
        await runner.query('RESET ROLE');
        const rows: unknown = await runner.query('SELECT id, made_by AS maker FROM customer ORDER BY id');
        expect(rows).toEqual([
          { id: MADE, maker: BRANCH },
          { id: OFFICE, maker: null },
        ]);
        const walls: unknown = await runner.query(
          `SELECT relname FROM pg_class WHERE relname IN ('customer', 'customer_edit') AND relforcerowsecurity ORDER BY 1`,
        );
        expect(walls).toEqual([{ relname: 'customer' }, { relname: 'customer_edit' }]);
      } finally {
        await runner.query('ROLLBACK');
        await runner.release();
      }
    });
  });
});
