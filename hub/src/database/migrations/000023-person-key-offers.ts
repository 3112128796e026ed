import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A key that a box offers of a person is held until its branch has told, in its own journal, that it made this person: keys
 * and lines come in any order, and who only knows an id does not decide what opens the person.
 */
export class PersonKeyOffers implements MigrationInterface {
  readonly name = 'person-key-offers-0000000000023';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of SQL) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const SQL = [
  `CREATE TABLE person_key_offer (
    tenant_id uuid NOT NULL REFERENCES tenant,
    person uuid NOT NULL,
    branch_id uuid NOT NULL,
    box_id uuid NOT NULL,
    wrapped bytea NOT NULL,
    offered_at timestamptz NOT NULL,
    CONSTRAINT person_key_offer_once PRIMARY KEY (tenant_id, person, branch_id)
  )`,
  // How many a box has under way.
  'CREATE INDEX person_key_offer_by_box ON person_key_offer (tenant_id, box_id)',
  `SELECT branchline_protect('person_key_offer', 'SELECT, INSERT, DELETE')`,
  // The branch that was the first to tell that it made the person; null: head office did, or none has told yet.
  'ALTER TABLE customer ADD COLUMN made_by uuid',
  // Their wall stands before their owner too.
  'ALTER TABLE customer NO FORCE ROW LEVEL SECURITY',
  'ALTER TABLE customer_edit NO FORCE ROW LEVEL SECURITY',
  `UPDATE customer c SET made_by = (
     SELECT e.branch_id FROM customer_edit e WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.id AND e.op = 'create'
     ORDER BY e.hlc, e.id LIMIT 1)`,
  'ALTER TABLE customer FORCE ROW LEVEL SECURITY',
  'ALTER TABLE customer_edit FORCE ROW LEVEL SECURITY',
];
