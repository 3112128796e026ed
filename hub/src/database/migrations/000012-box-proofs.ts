import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What boxes have found out about themselves, and which were asked to. */
export class BoxProofs implements MigrationInterface {
  readonly name = 'box-proofs-0000000000012';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(BOX_PROOF);
    await runner.query(`SELECT branchline_protect('box_proof', 'SELECT, INSERT, UPDATE')`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** `proof`: the box's last word, by `heard_at`; null: none yet. `asked_at`: a person wants another; null: nobody does. */
const BOX_PROOF = `CREATE TABLE box_proof (
  tenant_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  box_id uuid NOT NULL,
  asked_at timestamptz,
  heard_at timestamptz,
  at timestamptz,
  outcome text,
  proof jsonb,
  CONSTRAINT pk_box_proof PRIMARY KEY (branch_id, box_id),
  CONSTRAINT ck_box_proof_outcome CHECK (outcome IN ('equal', 'differs'))
)`;
