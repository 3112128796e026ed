import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What head office decides about customers that were told in two ways. */
export class CustomerDisputes implements MigrationInterface {
  readonly name = 'customer-disputes-0000000000026';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of SQL) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const SQL = [
  // In whose name, where a decision puts in what a box told; null: head office's own.
  'ALTER TABLE customer_office_edit ADD COLUMN box uuid',
];
