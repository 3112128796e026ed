import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What head office decides about customers that were told in two ways. */
export class CustomerDisputes implements MigrationInterface {
  readonly name = 'customer-disputes-0000000000026';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of SQL) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const SQL = [
  // In whose name, where a decision puts in what a box told; null: head office's own.
  'ALTER TABLE customer_office_edit ADD COLUMN box uuid',
  // What a store told and nobody decided to follow; it stays so when rows are made anew.
  `CREATE TABLE customer_edit_withheld (
    tenant_id uuid NOT NULL REFERENCES tenant,
    branch_id uuid NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT pk_customer_edit_withheld PRIMARY KEY (branch_id, id)
  )`,
  `SELECT branchline_protect('customer_edit_withheld', 'SELECT, INSERT')`,
  // By which stores know that the key they have is the one that was decided for; null: nobody had to decide.
  'ALTER TABLE person_key ADD COLUMN told_hash text',
  // Keys that a decision put out of use: what was sealed under one is sealed anew as it comes. Destroyed with the person.
  `CREATE TABLE person_key_retired (
    tenant_id uuid NOT NULL REFERENCES tenant,
    person uuid NOT NULL,
    wrapped bytea NOT NULL,
    decided_by uuid NOT NULL,
    -- Of the state of the customer in which it was looked last for what it opens.
    looked_at_state text,
    CONSTRAINT person_key_retired_once PRIMARY KEY (tenant_id, person, wrapped)
  )`,
  `SELECT branchline_protect('person_key_retired', 'SELECT, INSERT, UPDATE, DELETE')`,
];
