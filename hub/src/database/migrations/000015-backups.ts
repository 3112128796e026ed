import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which backups of this database are kept, and up to where each holds the branches' histories. */
export class Backups implements MigrationInterface {
  readonly name = 'backups-0000000000015';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [BACKUP, HEAD]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** Of the hub, not of a tenant: nothing of a tenant is in it. */
const BACKUP = `
CREATE TABLE hub_backup (
  id uuid PRIMARY KEY,
  -- Before the first byte of it was read: it holds at least what its heads say.
  begun_at timestamptz NOT NULL,
  -- A file, or what the operator calls it.
  what text NOT NULL,
  -- It was restored somewhere, and every history proved from its lines up to the heads.
  verified_at timestamptz,
  -- It is kept no longer.
  forgotten_at timestamptz
);
REVOKE ALL ON hub_backup FROM PUBLIC;
GRANT SELECT ON hub_backup TO branchline_app`;

const HEAD = `
CREATE TABLE backup_head (
  tenant_id uuid NOT NULL,
  backup_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  incarnation uuid NOT NULL,
  seq bigint NOT NULL,
  hash bytea NOT NULL,
  CONSTRAINT pk_backup_head PRIMARY KEY (backup_id, branch_id, incarnation)
);
SELECT branchline_protect('backup_head', 'SELECT, INSERT, DELETE')`;
