import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a box without a line asked for with its last bundle, beside what its hello says: persons, and ends of snapshots. */
export class BundleWants implements MigrationInterface {
  readonly name = 'bundle-wants-0000000000022';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE box_bundle ADD COLUMN wants jsonb');
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}
