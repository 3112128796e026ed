import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Customers. What travels of them lies here as it travels, under the key of each person: `customer_edit` as the stores told
 * it, `customer_office_edit` as head office did, `customer` what both come to. In clear they lie in `customer_open` alone, and
 * their keys in `person_key`, wrapped under a key that is in no database: who empties a row of each has erased the person.
 */
export class Customers implements MigrationInterface {
  readonly name = 'customers-0000000000013';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [...TABLES, ...PRIVILEGES]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const TABLES = [
  `CREATE TABLE person_key (
    tenant_id uuid NOT NULL REFERENCES tenant,
    person uuid NOT NULL,
    -- Null: destroyed. The row stays, so that a key which comes late is not taken.
    wrapped bytea,
    erased_at timestamptz,
    CONSTRAINT person_key_once PRIMARY KEY (tenant_id, person),
    CONSTRAINT person_key_is_destroyed CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
  )`,
  // Room on each page for the next version of its rows.
  `CREATE TABLE customer (
    tenant_id uuid NOT NULL REFERENCES tenant,
    id uuid NOT NULL,
    -- What its edits come to (libs/domain/src/customer.ts); personal values under the person's key.
    state jsonb NOT NULL,
    -- What stands in the state; null: no store is told.
    region text,
    deleted_at timestamptz,
    merged_into uuid,
    erased_at timestamptz,
    -- Whether customer_open says what the state says.
    opened boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL,
    CONSTRAINT customer_once PRIMARY KEY (tenant_id, id)
  ) WITH (fillfactor = 70)`,
  'CREATE INDEX customer_to_open ON customer (tenant_id, id) WHERE NOT opened',
  `CREATE TABLE customer_open (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    name text,
    email text,
    phone text,
    address text,
    tax_number text,
    note text,
    name_key text COLLATE "C",
    email_key text COLLATE "C",
    phone_key text COLLATE "C",
    CONSTRAINT customer_open_once PRIMARY KEY (tenant_id, id)
  )`,
  'CREATE INDEX customer_open_by_name ON customer_open (tenant_id, name_key, id)',
  'CREATE INDEX customer_open_by_email ON customer_open (tenant_id, email_key, id)',
  'CREATE INDEX customer_open_by_phone ON customer_open (tenant_id, phone_key, id)',
  `CREATE TABLE customer_edit (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    op text NOT NULL,
    box uuid NOT NULL,
    hlc text NOT NULL,
    changes jsonb NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_customer_edit PRIMARY KEY (branch_id, id)
  )`,
  'CREATE INDEX customer_edit_by_customer ON customer_edit (tenant_id, customer_id)',
  `CREATE TABLE customer_office_edit (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    customer_id uuid NOT NULL,
    op text NOT NULL,
    hlc text NOT NULL,
    changes jsonb NOT NULL,
    person_id uuid NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT customer_office_edit_once PRIMARY KEY (tenant_id, id)
  )`,
  'CREATE INDEX customer_office_edit_by_customer ON customer_office_edit (tenant_id, customer_id)',
];

const PRIVILEGES = [
  `SELECT branchline_protect('person_key', 'SELECT, INSERT, UPDATE')`,
  `SELECT branchline_protect('customer', 'SELECT, INSERT, UPDATE')`,
  `SELECT branchline_protect('customer_open', 'SELECT, INSERT, UPDATE, DELETE')`,
  `SELECT branchline_protect('customer_edit', 'SELECT, INSERT')`,
  `SELECT branchline_protect('customer_office_edit', 'SELECT, INSERT')`,
];
