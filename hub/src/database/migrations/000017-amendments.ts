import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a sealed day is final, and what was added to it afterwards. */
export class Amendments implements MigrationInterface {
  readonly name = 'amendments-0000000000017';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TILLS_HOLDING);
    await runner.query(AMENDMENT);
    await runner.query(`SELECT branchline_protect('day_amendment', 'SELECT, INSERT')`);
    for (const table of ['day_amendment', 'sale_reversal']) await runner.query(policyOn(table));
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** Tills that were listed with the seal as still holding sales. */
const TILLS_HOLDING = `ALTER TABLE day_seal ADD tills_holding jsonb NOT NULL DEFAULT '[]'`;

/** A sale of a day that its store had sealed, numbered within the day from 1 in the order in which they came. */
const AMENDMENT = `CREATE TABLE day_amendment (
  tenant_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  business_date date NOT NULL,
  number integer NOT NULL,
  sale_id uuid NOT NULL,
  -- The business date of the branch on which it was journalled.
  posting_date date NOT NULL,
  CONSTRAINT pk_day_amendment PRIMARY KEY (branch_id, business_date, number),
  CONSTRAINT day_amendment_once UNIQUE (branch_id, sale_id)
)`;

/** As for all that is made anew. */
const policyOn = (table: string): string => `CREATE POLICY owner_rebuilds ON ${table} TO CURRENT_USER
  USING (tenant_id = (SELECT nullif(current_setting('branchline.tenant_id', true), '')::uuid))`;
