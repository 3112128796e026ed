import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lines that wait for others, and conflicts with what people decided of them. */
export class WorkLists implements MigrationInterface {
  readonly name = 'work-lists-0000000000014';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [...WAITING, ...CONFLICTS, ...REVERSALS]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** `settled`: people decided that it is never to be projected. `waits_for`: lines whose facts are not there, as kind:key. */
const WAITING = [
  `ALTER TABLE quarantine ADD waits_for text[] NOT NULL DEFAULT '{}', ADD note text,
    DROP CONSTRAINT ck_quarantine_state,
    ADD CONSTRAINT ck_quarantine_state CHECK (state IN ('open', 'held', 'mended', 'settled'))`,
  'DROP INDEX ix_quarantine_waiting',
  `CREATE INDEX ix_quarantine_waiting ON quarantine (branch_id, at, id) WHERE state IN ('open', 'held')`,
  `CREATE INDEX ix_quarantine_key ON quarantine (branch_id, key) WHERE state IN ('open', 'held')`,
  `CREATE INDEX ix_quarantine_for_parent ON quarantine (branch_id, incarnation, seq) WHERE state = 'open' AND code = 'waits-for-parent'`,
  // With the lock that each push takes anyway it is known whether anything in the branch waits for what a push may bring.
  'ALTER TABLE branch_stream ADD waits_for_parent boolean NOT NULL DEFAULT false',
];

/** Which sales were taken back, and by which: looked up by the sale. */
const REVERSALS = [
  `CREATE TABLE sale_reversal (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    reversal_id uuid NOT NULL,
    CONSTRAINT pk_sale_reversal PRIMARY KEY (branch_id, sale_id, reversal_id)
  )`,
  `SELECT branchline_protect('sale_reversal', 'SELECT, INSERT')`,
];

/**
 * state: open, settling (decided; the branch has yet to write what follows from it), settled. Lines are null where the
 * dispute is not about two lines; `taken_back` is the sale that the branch was told to take back. `hub_content` and `branch_content` then say what it is about, without what reaches a person.
 */
const CONFLICTS = [
  `ALTER TABLE conflict
    DROP CONSTRAINT pk_conflict, ADD CONSTRAINT pk_conflict PRIMARY KEY (branch_id, id),
    ALTER first_incarnation DROP NOT NULL, ALTER first_seq DROP NOT NULL,
    ALTER second_incarnation DROP NOT NULL, ALTER second_seq DROP NOT NULL,
    ADD hub_content jsonb, ADD branch_content jsonb,
    ADD strategy text, ADD merged jsonb, ADD decided_by text, ADD decided_at timestamptz, ADD settled_at timestamptz, ADD taken_back uuid,
    ADD CONSTRAINT ck_conflict_state CHECK (state IN ('open', 'settling', 'settled')),
    ADD CONSTRAINT ck_conflict_decided CHECK ((state = 'open') = (strategy IS NULL))`,
  'CREATE UNIQUE INDEX conflict_is_told_once ON conflict (branch_id, second_incarnation, second_seq, type)',
  `CREATE INDEX ix_conflict_unsettled ON conflict (branch_id, at, id) WHERE state <> 'settled'`,
];
