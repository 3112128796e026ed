import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The conflicts of a branch that were settled last are told to it with every change: found without reading all that ever were. */
export class SettledConflicts implements MigrationInterface {
  readonly name = 'settled-conflicts-0000000000024';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX ix_conflict_settled ON conflict (branch_id, settled_at DESC, id) WHERE state = 'settled'`,
    );
    await runner.query(`CREATE INDEX ix_conflict_open ON conflict (branch_id, at, id) WHERE state = 'open'`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}
