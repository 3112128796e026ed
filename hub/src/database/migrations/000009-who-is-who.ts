import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is needed to give a branch its own lines again, and to tell two of its boxes apart. */
export class WhoIsWho implements MigrationInterface {
  readonly name = 'who-is-who-0000000000009';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of STATEMENTS) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const STATEMENTS = [
  // The box's own signature over the head that the chunk ends at; the last one of a push has it. By it a box proves what it
  // fetches, a page at a time, and need not believe the hub until it has all of a history.
  'ALTER TABLE journal_chunk ADD head_signature text',
  // When a box was last believed that the hub has lost what it had acknowledged.
  'ALTER TABLE hub_state ADD renewed_at timestamptz',
];
