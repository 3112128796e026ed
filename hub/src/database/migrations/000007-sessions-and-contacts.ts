import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which sign-in a sign-in came from. */
export class SessionsAndContacts implements MigrationInterface {
  readonly name = 'sessions-and-contacts-0000000000007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(PARENT);
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
