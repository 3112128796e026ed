import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which sign-in a sign-in came from, and when each box was heard, for every process of the hub. */
export class SessionsAndContacts implements MigrationInterface {
  readonly name = 'sessions-and-contacts-0000000000007';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [PARENT, CONTACT]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** The sign-in whose link opened it: what ends that one ends this one too. As old as its parent, so both are cleared away together. */
const PARENT = `
ALTER TABLE refresh_family ADD COLUMN parent_id uuid,
  ADD CONSTRAINT refresh_family_of_parent FOREIGN KEY (tenant_id, parent_id) REFERENCES refresh_family (tenant_id, id) ON DELETE CASCADE;
CREATE INDEX refresh_family_by_parent ON refresh_family (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
`;

/** Apart from `box`: it is written all day, and a row of three columns is the cheapest to write. */
const CONTACT = `
CREATE TABLE box_contact (
  tenant_id uuid NOT NULL,
  box_id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  -- How often the box says it asks; null: it does not say.
  poll_ms integer,
  CONSTRAINT box_contact_of_box FOREIGN KEY (tenant_id, box_id) REFERENCES box (tenant_id, id)
) WITH (fillfactor = 50);
SELECT branchline_protect('box_contact', 'SELECT, INSERT, UPDATE');
`;
