import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Customers are proved branch by branch, and made anew by whom the facts are. And in which contract each kind of the feed
 * was last published as a whole.
 */
export class Proofs implements MigrationInterface {
  readonly name = 'proofs-0000000000025';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of SQL) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const SQL = [
  'CREATE INDEX customer_edit_by_branch ON customer_edit (branch_id, customer_id)',
  // The wall is the same: without a tenant in the session the owner sees none of them.
  `CREATE POLICY owner_rebuilds ON customer TO CURRENT_USER
  USING (tenant_id = (SELECT nullif(current_setting('branchline.tenant_id', true), '')::uuid))`,
  `CREATE TABLE feed_contract (
    tenant_id uuid NOT NULL REFERENCES tenant,
    kind text NOT NULL,
    contract integer NOT NULL,
    -- When it was so for the first time: processes of the release before may have published in theirs since.
    first_at timestamptz NOT NULL,
    CONSTRAINT feed_contract_once PRIMARY KEY (tenant_id, kind)
  )`,
  `SELECT branchline_protect('feed_contract', 'SELECT, INSERT, UPDATE')`,
];
