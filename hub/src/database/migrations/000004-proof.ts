import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the hub keeps to prove a branch's history: the box's own word for each head, and what the last verification found. */
export class Proof implements MigrationInterface {
  readonly name = 'proof-0000000000004';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [HEAD_SIGNATURE, VERIFICATION]) await runner.query(sql);
    await runner.query(`SELECT branchline_protect('branch_verification', 'SELECT, INSERT, UPDATE')`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** Ed25519 of the box over (applied_seq, head_hash), base64url: null only for a history that was taken in before this was kept. */
const HEAD_SIGNATURE = 'ALTER TABLE incarnation ADD COLUMN head_signature text';

/** `answer`: as it was given. `unproved`: the histories whose archived chain or signature did not hold. */
const VERIFICATION = `CREATE TABLE branch_verification (
  tenant_id uuid NOT NULL,
  branch_id uuid NOT NULL,
  at timestamptz NOT NULL,
  outcome text NOT NULL,
  seq bigint NOT NULL,
  unproved uuid[] NOT NULL,
  answer jsonb NOT NULL,
  CONSTRAINT pk_branch_verification PRIMARY KEY (branch_id),
  CONSTRAINT ck_branch_verification_outcome CHECK (outcome IN ('equal', 'differs'))
)`;
