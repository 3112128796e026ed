import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An erasure is done once its text is off the pages as well, which may be long after its commit; until then it is due. */
export class ErasuresScrubbed implements MigrationInterface {
  readonly name = 'erasures-scrubbed-0000000000020';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE person_key ADD COLUMN scrubbed_at timestamptz,
      ADD CONSTRAINT person_key_is_scrubbed_once_erased CHECK (scrubbed_at IS NULL OR erased_at IS NOT NULL)`);
    await runner.query(
      'CREATE INDEX person_key_to_scrub ON person_key (tenant_id) WHERE erased_at IS NOT NULL AND scrubbed_at IS NULL',
    );
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}
