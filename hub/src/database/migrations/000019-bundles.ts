import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What boxes without a line were last brought, and what they last said by the same way. */
export class Bundles implements MigrationInterface {
  readonly name = 'bundles-0000000000019';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(BOX_BUNDLE);
    await runner.query(`SELECT branchline_protect('box_bundle', 'SELECT, INSERT, UPDATE')`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** `hello`: of the bundle that was taken in last; whatever it says, a bundle made by it can only be longer than need be. */
const BOX_BUNDLE = `CREATE TABLE box_bundle (
  tenant_id uuid NOT NULL,
  box_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  in_bundle uuid,
  in_created_at timestamptz,
  in_at timestamptz,
  hello jsonb,
  out_bundle uuid,
  out_at timestamptz,
  CONSTRAINT pk_box_bundle PRIMARY KEY (box_id)
)`;
