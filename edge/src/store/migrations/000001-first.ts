import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Forward only, plain SQL, never edited once released. Each table names its origin:
 * - journal machinery: written by store/journal.ts alone
 * - journal: only an applier writes it; a rebuild gives the same rows
 * - feed: fetched again from the hub · local: own commands, no lines, emptied by a rebuild
 * RESTRICT is SQLite's default for references; nothing cascades.
 */
const STATEMENTS = [
  // -- journal machinery
  `CREATE TABLE incarnation (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL, opened_at INTEGER NOT NULL)`,
  `CREATE TABLE journal (
     position INTEGER PRIMARY KEY, incarnation_no INTEGER NOT NULL REFERENCES incarnation, seq INTEGER NOT NULL,
     hash BLOB NOT NULL, applied INTEGER NOT NULL, line BLOB NOT NULL, UNIQUE (incarnation_no, seq))`,
  // One row: the head of the incarnation being written. Numbers live in rows, so a rollback takes them back.
  `CREATE TABLE journal_head (
     id INTEGER PRIMARY KEY CHECK (id = 1), incarnation_no INTEGER NOT NULL REFERENCES incarnation,
     seq INTEGER NOT NULL, hash BLOB NOT NULL, position INTEGER NOT NULL, hlc TEXT NOT NULL)`,
  // Set when nothing more may be written to the head's incarnation: the next line opens a new one.
  `CREATE TABLE incarnation_due (id INTEGER PRIMARY KEY CHECK (id = 1), reason TEXT NOT NULL, epoch_above INTEGER NOT NULL)`,

  // -- journal
  `CREATE TABLE device (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, till TEXT NOT NULL, code_hash TEXT NOT NULL UNIQUE,
     token_hash TEXT NOT NULL UNIQUE, enrolled_at INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE shift (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, till TEXT NOT NULL, drawer TEXT NOT NULL, operator TEXT NOT NULL,
     float_minor INTEGER NOT NULL, currency TEXT NOT NULL, opened_at INTEGER NOT NULL, business_date TEXT NOT NULL,
     content_hash TEXT NOT NULL, open_position INTEGER NOT NULL,
     z_number INTEGER, closed_at INTEGER, close_position INTEGER)`,
  `CREATE INDEX shift_open ON shift (till, drawer) WHERE closed_at IS NULL`,
  `CREATE INDEX shift_business_date ON shift (business_date)`,
  `CREATE TABLE sale (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, incarnation_no INTEGER NOT NULL,
     seq INTEGER NOT NULL, receipt_number TEXT NOT NULL, device_reference TEXT, till TEXT NOT NULL, device TEXT,
     operator TEXT NOT NULL, shift_no INTEGER, business_date TEXT NOT NULL, sold_at INTEGER NOT NULL,
     lines INTEGER NOT NULL, units_milli INTEGER NOT NULL, amount_minor INTEGER NOT NULL, discount_minor INTEGER NOT NULL,
     net_minor INTEGER NOT NULL, tax_minor INTEGER NOT NULL, total_minor INTEGER NOT NULL, content_hash BLOB NOT NULL,
     flags TEXT)`,
  `CREATE INDEX sale_receipt_number ON sale (receipt_number)`,
  `CREATE INDEX sale_device_reference ON sale (device_reference) WHERE device_reference IS NOT NULL`,
  `CREATE INDEX sale_shift ON sale (shift_no)`,
  `CREATE INDEX sale_business_date ON sale (business_date)`,
  // The tender ledger: every signed amount of cash and other tenders of a shift. X, Z and the hub sum it the same way.
  `CREATE TABLE tender_entry (
     no INTEGER PRIMARY KEY, shift_no INTEGER, tender_type TEXT NOT NULL, currency TEXT NOT NULL,
     amount_minor INTEGER NOT NULL, reason TEXT NOT NULL, sale_no INTEGER)`,
  `CREATE INDEX tender_entry_shift ON tender_entry (shift_no)`,
  `CREATE TABLE stock_movement (
     no INTEGER PRIMARY KEY, product TEXT NOT NULL, quantity_milli INTEGER NOT NULL, reason TEXT NOT NULL,
     sale_no INTEGER, line_no INTEGER)`,
  `CREATE TABLE stock_balance (product TEXT PRIMARY KEY, on_hand_milli INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE receipt_counter (
     till TEXT NOT NULL, epoch INTEGER NOT NULL, series TEXT NOT NULL, last INTEGER NOT NULL,
     PRIMARY KEY (till, epoch, series)) WITHOUT ROWID`,
  `CREATE TABLE till_total (till TEXT PRIMARY KEY, last_z INTEGER NOT NULL, grand_total_minor INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE day_seal (business_date TEXT PRIMARY KEY, sealed_at INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID`,

  // -- feed
  `CREATE TABLE branch_setting (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE TABLE product (
     code TEXT PRIMARY KEY, name TEXT NOT NULL, category TEXT, department TEXT, brand TEXT, pack_size TEXT,
     tax_class TEXT, fractional INTEGER NOT NULL, active INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE barcode (barcode TEXT NOT NULL, product TEXT NOT NULL, PRIMARY KEY (barcode, product)) WITHOUT ROWID`,
  `CREATE INDEX barcode_product ON barcode (product)`,
  `CREATE INDEX product_name ON product (name)`,
  `CREATE INDEX product_category ON product (category)`,
  `CREATE TABLE price (
     key TEXT PRIMARY KEY, product TEXT NOT NULL, minor INTEGER NOT NULL, per REAL NOT NULL, currency TEXT NOT NULL,
     valid_from INTEGER NOT NULL, valid_to INTEGER, version INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX price_product ON price (product, valid_from)`,
  `CREATE TABLE tax_class (code TEXT PRIMARY KEY, components TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE operator (
     operator TEXT PRIMARY KEY, name TEXT NOT NULL, grants TEXT NOT NULL, pin_verifier TEXT, active INTEGER NOT NULL,
     version INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE device_code (
     code_hash TEXT PRIMARY KEY, till TEXT NOT NULL, expires_at INTEGER NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID`,

  // -- local
  `CREATE TABLE push_state (
     incarnation_no INTEGER PRIMARY KEY REFERENCES incarnation, applied_seq INTEGER NOT NULL, durable_seq INTEGER NOT NULL,
     acknowledged_at INTEGER NOT NULL,
     ended INTEGER NOT NULL DEFAULT 0)`,
  `CREATE TABLE feed_cursor (
     scope TEXT PRIMARY KEY, hub_epoch TEXT, number INTEGER NOT NULL, hash TEXT NOT NULL, newest INTEGER NOT NULL,
     retake INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID`,
  // Records fetched and not yet applied. `rank`: turn within a release; from 90 on held (replicator/feed-staging.ts).
  // `retake`: applied whatever the version of the row that stands.
  `CREATE TABLE feed_staged (
     no INTEGER PRIMARY KEY, scope TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
     version INTEGER NOT NULL, release TEXT, rank INTEGER NOT NULL, retake INTEGER NOT NULL, deleted INTEGER NOT NULL,
     body TEXT NOT NULL)`,
  `CREATE INDEX feed_staged_turn ON feed_staged (release, rank, no)`,
  `CREATE INDEX feed_staged_key ON feed_staged (kind, key)`,
  `CREATE TABLE release_due (release TEXT PRIMARY KEY, needs TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE refresh_token (
     hash TEXT PRIMARY KEY, family TEXT NOT NULL, operator TEXT NOT NULL, device TEXT NOT NULL, issued_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL, used_at INTEGER, successor TEXT, grace_at INTEGER, voided_at INTEGER,
     family_ended_at INTEGER) WITHOUT ROWID`,
  `CREATE INDEX refresh_token_family ON refresh_token (family)`,
  `CREATE INDEX refresh_token_expiry ON refresh_token (expires_at)`,
  `CREATE TABLE sign_in_lock (
     operator TEXT NOT NULL, till TEXT NOT NULL, failures INTEGER NOT NULL, locked_until INTEGER NOT NULL,
     PRIMARY KEY (operator, till)) WITHOUT ROWID`,
  `CREATE TABLE sync_log (no INTEGER PRIMARY KEY, at INTEGER NOT NULL, level TEXT NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL)`,
  `CREATE TABLE file_format (id INTEGER PRIMARY KEY CHECK (id = 1), min_reader INTEGER NOT NULL)`,
  `INSERT INTO file_format (id, min_reader) VALUES (1, 1)`,
];

export class First1700000000001 implements MigrationInterface {
  readonly name = 'First1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only; restore a backup instead');
  }
}
