import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The feed is kept as long as somebody may need it and no longer: each record knows when it was numbered and what it took
 * the place of, each scope below which number nothing can be asked any more. Full ranges of it are kept as they are sent.
 */
export class FeedThatEnds implements MigrationInterface {
  readonly name = 'feed-that-ends-0000000000010';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [...RECORDS, ...TABLES]) await runner.query(sql);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

const RECORDS = [
  `ALTER TABLE feed_record ADD numbered_at timestamptz NOT NULL DEFAULT now(),
     ADD supersedes bigint`,
  // Their wall stands before their owner too.
  'ALTER TABLE feed_record NO FORCE ROW LEVEL SECURITY',
  `UPDATE feed_record r SET supersedes = b.before FROM (
     SELECT tenant_id, scope, number, lag(number) OVER (PARTITION BY tenant_id, scope, kind, key ORDER BY number) AS before
       FROM feed_record) b
   WHERE (b.tenant_id, b.scope, b.number) = (r.tenant_id, r.scope, r.number) AND b.before IS NOT NULL`,
  'ALTER TABLE feed_record FORCE ROW LEVEL SECURITY',
  'CREATE INDEX feed_record_tombstone ON feed_record (tenant_id, scope, number) WHERE deleted',
  'GRANT DELETE ON feed_record, feed_latest TO branchline_app',
  // Numbers up to and with the floor may lack records; the hash is that of the record at the floor, which may be gone.
  `ALTER TABLE feed_head ADD floor bigint NOT NULL DEFAULT 0, ADD floor_hash bytea`,
  // What a box may still be sent stays what it was: only below the floor can anything be removed.
  `CREATE POLICY only_below_the_floor ON feed_record AS RESTRICTIVE FOR DELETE TO branchline_app
     USING (number <= (SELECT h.floor FROM feed_head h WHERE h.tenant_id = feed_record.tenant_id AND h.scope = feed_record.scope))`,
];

const TABLES = [
  // A page of a full range, as it is sent: made once, for every box and every hub process. Derived: may be emptied.
  `CREATE TABLE feed_segment (
     tenant_id uuid NOT NULL,
     scope text NOT NULL,
     hub_epoch uuid NOT NULL,
     after_number bigint NOT NULL,
     encoding text NOT NULL CHECK (encoding IN ('br', 'gzip')),
     bytes bytea NOT NULL,
     CONSTRAINT feed_segment_once PRIMARY KEY (tenant_id, scope, hub_epoch, after_number, encoding)
   )`,
  // Compressed already: to try again is time for nothing.
  'ALTER TABLE feed_segment ALTER bytes SET STORAGE EXTERNAL',
  `SELECT branchline_protect('feed_segment', 'SELECT, INSERT, DELETE')`,
  // How far a box had come in a scope when it last said so.
  `CREATE TABLE box_cursor (
     tenant_id uuid NOT NULL,
     box_id uuid NOT NULL,
     scope text NOT NULL,
     hub_epoch uuid,
     number bigint NOT NULL,
     told_at timestamptz NOT NULL,
     CONSTRAINT box_cursor_once PRIMARY KEY (tenant_id, box_id, scope),
     CONSTRAINT box_cursor_of_box FOREIGN KEY (tenant_id, box_id) REFERENCES box (tenant_id, id)
   )`,
  'CREATE INDEX box_cursor_by_scope ON box_cursor (tenant_id, scope)',
  `SELECT branchline_protect('box_cursor', 'SELECT, INSERT, UPDATE, DELETE')`,
];
