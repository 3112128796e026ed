import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Forward only, plain SQL, never edited once released. Each table names its origin:
 * - journal machinery: written by store/journal.ts alone
 * - journal: only an applier writes it; a rebuild gives the same rows
 * - keys: of persons; in no line and no record, copied by a rebuild
 * - feed: fetched again from the hub · local: own commands, no lines, emptied by a rebuild
 * RESTRICT is SQLite's default for references; nothing cascades.
 */
const STATEMENTS = [
  // -- journal machinery
  // Histories of the branch, this box's and others'. 'forked_from': the part of one that this file wrote and the hub's lacks,
  // from the line after 'forked_at'; it stands again in another, and is kept since rows were made by it.
  `CREATE TABLE incarnation (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL, box TEXT NOT NULL, epoch INTEGER NOT NULL, opened_at INTEGER NOT NULL,
     forked_from INTEGER REFERENCES incarnation, forked_at INTEGER)`,
  `CREATE UNIQUE INDEX incarnation_id ON incarnation (id) WHERE forked_from IS NULL`,
  `CREATE INDEX incarnation_fork ON incarnation (id) WHERE forked_from IS NOT NULL`,
  `CREATE TABLE journal (
     position INTEGER PRIMARY KEY, incarnation_no INTEGER NOT NULL REFERENCES incarnation, seq INTEGER NOT NULL,
     hash BLOB NOT NULL, applied INTEGER NOT NULL, line BLOB NOT NULL, UNIQUE (incarnation_no, seq))`,
  // `applied`: store/applied.ts. Of lines that were held until a release came that could take them: after which line that was.
  `CREATE INDEX journal_held ON journal (position) WHERE applied = 3`,
  `CREATE TABLE late_line (
     no INTEGER PRIMARY KEY, position INTEGER NOT NULL UNIQUE, after_position INTEGER NOT NULL)`,
  `CREATE INDEX late_line_after ON late_line (after_position)`,
  // One row: the head of the incarnation being written. Numbers live in rows, so a rollback takes them back.
  `CREATE TABLE journal_head (
     id INTEGER PRIMARY KEY CHECK (id = 1), incarnation_no INTEGER NOT NULL REFERENCES incarnation,
     seq INTEGER NOT NULL, hash BLOB NOT NULL, position INTEGER NOT NULL, hlc TEXT NOT NULL)`,
  // Set when nothing more may be written to the head's incarnation: the next line opens a new one.
  `CREATE TABLE incarnation_due (
     id INTEGER PRIMARY KEY CHECK (id = 1), reason TEXT NOT NULL, epoch_above INTEGER NOT NULL, is_final INTEGER NOT NULL)`,
  // Lines that a witness, a till or the hub has seen and this file lacks. Once they are all here, and nothing else stands
  // against it, the head's incarnation goes on.
  `CREATE TABLE missing_line (
     incarnation TEXT NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (incarnation, seq, hash)) WITHOUT ROWID`,

  // -- journal
  `CREATE TABLE device (
     id TEXT PRIMARY KEY, name TEXT NOT NULL, till TEXT NOT NULL, code_hash TEXT NOT NULL,
     token_hash TEXT NOT NULL UNIQUE, enrolled_at INTEGER NOT NULL) WITHOUT ROWID`,
  // Not unique: two copies of a box have both taken one code.
  `CREATE INDEX device_code_hash ON device (code_hash)`,
  `CREATE TABLE shift (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, till TEXT NOT NULL, drawer TEXT NOT NULL, operator TEXT NOT NULL,
     float_minor INTEGER NOT NULL, currency TEXT NOT NULL, opened_at INTEGER NOT NULL, business_date TEXT NOT NULL,
     content_hash TEXT NOT NULL, open_position INTEGER,
     z_number INTEGER, closed_at INTEGER, close_position INTEGER)`,
  `CREATE INDEX shift_open ON shift (till, drawer) WHERE closed_at IS NULL`,
  `CREATE INDEX shift_business_date ON shift (business_date)`,
  `CREATE TABLE sale (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, incarnation_no INTEGER NOT NULL,
     seq INTEGER NOT NULL, receipt_number TEXT NOT NULL, device_reference TEXT, till TEXT NOT NULL, device TEXT,
     operator TEXT NOT NULL, shift_no INTEGER, business_date TEXT NOT NULL, sold_at INTEGER NOT NULL,
     lines INTEGER NOT NULL, units_milli INTEGER NOT NULL, amount_minor INTEGER NOT NULL, discount_minor INTEGER NOT NULL,
     net_minor INTEGER NOT NULL, tax_minor INTEGER NOT NULL, total_minor INTEGER NOT NULL, content_hash BLOB NOT NULL,
     flags TEXT, reverses TEXT)`,
  `CREATE INDEX sale_receipt_number ON sale (receipt_number)`,
  `CREATE INDEX sale_device_reference ON sale (device_reference) WHERE device_reference IS NOT NULL`,
  `CREATE INDEX sale_reverses ON sale (reverses) WHERE reverses IS NOT NULL`,
  `CREATE INDEX sale_shift ON sale (shift_no)`,
  `CREATE INDEX sale_business_date ON sale (business_date)`,
  // Of a sale that two histories tell with one content: the number that is not its own.
  `CREATE TABLE receipt_alias (
     receipt_number TEXT NOT NULL, sale_no INTEGER NOT NULL, PRIMARY KEY (receipt_number, sale_no)) WITHOUT ROWID`,
  // Sales of a shift that another history opened and that has not come yet.
  `CREATE TABLE orphan_sale (shift TEXT NOT NULL, sale_no INTEGER NOT NULL, PRIMARY KEY (shift, sale_no)) WITHOUT ROWID`,
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
  // Own edits of customers, personal values under the person's key, also those that the hub has decided on.
  `CREATE TABLE customer_edit (
     no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, customer TEXT NOT NULL, op TEXT NOT NULL, box TEXT NOT NULL,
     hlc TEXT NOT NULL, changes TEXT NOT NULL, at INTEGER NOT NULL, content_hash TEXT NOT NULL)`,
  `CREATE INDEX customer_edit_customer ON customer_edit (customer, hlc)`,

  // -- keys
  // Wrapped under a key that lies beside the file. `offered`: the hub has it.
  `CREATE TABLE person_key (person TEXT PRIMARY KEY, wrapped BLOB NOT NULL, offered INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE INDEX person_key_to_offer ON person_key (person) WHERE offered = 0`,
  // Whose key was destroyed, for ever: none that comes late is kept.
  `CREATE TABLE erased_person (person TEXT PRIMARY KEY) WITHOUT ROWID`,

  // -- feed
  // Rows belong to the taking of a scope that brought them (`feed_take`), and are seen through the views below only while
  // it is visible: what replaces what, by the thousand, is one row's change.
  `CREATE TABLE feed_branch_setting (
     key TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (key, take)) WITHOUT ROWID`,
  // `rest`: what a newer hub says beyond the columns, as JSON; null: nothing. So that the body can be given back as it came.
  `CREATE TABLE feed_product (
     code TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, category TEXT, department TEXT,
     brand TEXT, pack_size TEXT, tax_class TEXT, fractional INTEGER NOT NULL, active INTEGER NOT NULL, rest TEXT,
     PRIMARY KEY (code, take)) WITHOUT ROWID`,
  `CREATE TABLE feed_barcode (
     product TEXT NOT NULL, take INTEGER NOT NULL, position INTEGER NOT NULL, barcode TEXT NOT NULL,
     PRIMARY KEY (product, take, position)) WITHOUT ROWID`,
  `CREATE INDEX feed_barcode_barcode ON feed_barcode (barcode)`,
  `CREATE INDEX feed_product_name ON feed_product (name)`,
  `CREATE INDEX feed_product_category ON feed_product (category)`,
  `CREATE TABLE feed_price (
     key TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, product TEXT NOT NULL, minor INTEGER NOT NULL,
     per REAL NOT NULL, currency TEXT NOT NULL, valid_from INTEGER NOT NULL, valid_to INTEGER, rest TEXT,
     PRIMARY KEY (key, take)) WITHOUT ROWID`,
  `CREATE INDEX feed_price_product ON feed_price (product, valid_from)`,
  `CREATE TABLE feed_tax_class (
     code TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, components TEXT NOT NULL, rest TEXT,
     PRIMARY KEY (code, take)) WITHOUT ROWID`,
  `CREATE TABLE feed_operator (
     operator TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, grants TEXT NOT NULL,
     pin_verifier TEXT, active INTEGER NOT NULL, rest TEXT, PRIMARY KEY (operator, take)) WITHOUT ROWID`,
  `CREATE TABLE feed_device_code (
     code_hash TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, till TEXT NOT NULL, expires_at INTEGER NOT NULL,
     rest TEXT, PRIMARY KEY (code_hash, take)) WITHOUT ROWID`,
  // As it came, personal values under the person's key.
  `CREATE TABLE feed_customer (
     id TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (id, take)) WITHOUT ROWID`,
  `CREATE TABLE feed_erasure (
     person TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (person, take)) WITHOUT ROWID`,

  // `reversal`: the id that the line will have which takes the sale back.
  `CREATE TABLE feed_correction (
     conflict TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, reversal TEXT NOT NULL, sale TEXT NOT NULL,
     content_hash BLOB NOT NULL, if_differs INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (conflict, take)) WITHOUT ROWID`,
  `CREATE TABLE feed_work_list (
     key TEXT NOT NULL, take INTEGER NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (key, take)) WITHOUT ROWID`,

  // -- local
  // The one table in which persons stand in clear. `source`: '' for the hub's decision, else the id of a pending edit.
  `CREATE TABLE customer_open (
     no INTEGER PRIMARY KEY, customer TEXT NOT NULL, source TEXT NOT NULL, body TEXT NOT NULL,
     name_key TEXT, email_key TEXT, phone_key TEXT, UNIQUE (customer, source))`,
  `CREATE INDEX customer_open_name ON customer_open (name_key) WHERE name_key IS NOT NULL`,
  `CREATE INDEX customer_open_email ON customer_open (email_key) WHERE email_key IS NOT NULL`,
  `CREATE INDEX customer_open_phone ON customer_open (phone_key) WHERE phone_key IS NOT NULL`,
  // What is to be opened, or opened again. `take`: the taking by which it came; 0: an own edit.
  `CREATE TABLE customer_sealed (
     customer TEXT NOT NULL, source TEXT NOT NULL, take INTEGER NOT NULL, PRIMARY KEY (customer, source, take)) WITHOUT ROWID`,
  `CREATE TABLE customer_gone (id TEXT PRIMARY KEY) WITHOUT ROWID`,
  // Somebody was erased, and the log still has the pages from before.
  `CREATE TABLE scrub_due (id INTEGER PRIMARY KEY CHECK (id = 1))`,
  `CREATE TABLE push_state (
     incarnation_no INTEGER PRIMARY KEY REFERENCES incarnation, applied_seq INTEGER NOT NULL, durable_seq INTEGER NOT NULL,
     acknowledged_at INTEGER NOT NULL)`,
  // Histories of which the hub has more than this file: up to where.
  `CREATE TABLE history_due (
     incarnation_no INTEGER PRIMARY KEY REFERENCES incarnation, hub_seq INTEGER NOT NULL, hub_hash TEXT NOT NULL,
     signing_key TEXT NOT NULL)`,
  // What became of fetched lines since people were told last; 'was_held': they were fetched before, and held until now.
  `CREATE TABLE lines_untold (
     incarnation_no INTEGER NOT NULL REFERENCES incarnation, was_held INTEGER NOT NULL, applied INTEGER NOT NULL,
     doubled INTEGER NOT NULL, known INTEGER NOT NULL, differs INTEGER NOT NULL, PRIMARY KEY (incarnation_no, was_held)) WITHOUT ROWID`,
  // What the last hello said. 'epoch': the highest of the branch that is not this box's own.
  // 'told_at': by the hub's clock, when it last said so on the line; 0: it never did. 'spoken_from', 'spoken_to': its protocols.
  `CREATE TABLE hub_known (
     id INTEGER PRIMARY KEY CHECK (id = 1), hub_epoch TEXT NOT NULL, epoch INTEGER NOT NULL, told_at INTEGER NOT NULL,
     spoken_from INTEGER NOT NULL, spoken_to INTEGER NOT NULL)`,
  // The hub's own word for what it had at its last answer, for itself to read.
  `CREATE TABLE hub_memory (id INTEGER PRIMARY KEY CHECK (id = 1), memory TEXT NOT NULL)`,
  // The newest of the bundles of head office that were carried here.
  `CREATE TABLE bundle_in (
     id INTEGER PRIMARY KEY CHECK (id = 1), bundle TEXT NOT NULL, created_at INTEGER NOT NULL, at INTEGER NOT NULL)`,
  // One taking of a scope and the cursor in it. `pulled`: what is new comes here; `visible`: its rows are seen. Both: the
  // ordinary state. Pulled alone: it fills, and waits for its hour. Visible alone: left or to be taken again, and shown until
  // what replaces it is whole. Neither: its rows are being deleted. `begun`: SHA-256 of the snapshot that fills it.
  `CREATE TABLE feed_take (
     no INTEGER PRIMARY KEY, scope TEXT NOT NULL, pulled INTEGER NOT NULL, visible INTEGER NOT NULL, hub_epoch TEXT,
     number INTEGER NOT NULL, hash TEXT NOT NULL, newest INTEGER NOT NULL, begun TEXT)`,
  `CREATE UNIQUE INDEX feed_take_pulled ON feed_take (scope) WHERE pulled = 1`,
  // Records fetched and not yet applied. `rank`: turn within a release; from 90 on held (replicator/feed-staging.ts), and
  // looked at again at each start. `contract`: in which the body is.
  `CREATE TABLE feed_staged (
     no INTEGER PRIMARY KEY, take INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
     version INTEGER NOT NULL, contract INTEGER NOT NULL, release TEXT, rank INTEGER NOT NULL, deleted INTEGER NOT NULL, body TEXT NOT NULL)`,
  `CREATE INDEX feed_staged_turn ON feed_staged (release, rank, no)`,
  `CREATE INDEX feed_staged_key ON feed_staged (kind, key)`,
  `CREATE INDEX feed_staged_held ON feed_staged (no) WHERE rank >= 90`,
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
  // What the last check of rows, journal and feed came to, as JSON; `told`: the hub has it.
  `CREATE TABLE last_verification (
     id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL, told INTEGER NOT NULL, verification TEXT NOT NULL)`,
  `CREATE TABLE sync_log (no INTEGER PRIMARY KEY, at INTEGER NOT NULL, level TEXT NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL)`,
  `CREATE TABLE file_format (id INTEGER PRIMARY KEY CHECK (id = 1), min_reader INTEGER NOT NULL)`,
  `INSERT INTO file_format (id, min_reader) VALUES (1, 1)`,

  // -- what is seen of the feed's rows
  ...[
    'branch_setting',
    'product',
    'barcode',
    'price',
    'tax_class',
    'operator',
    'device_code',
    'customer',
    'correction',
    'work_list',
  ].map(
    (name) =>
      `CREATE VIEW ${name} AS SELECT * FROM feed_${name} WHERE take IN (SELECT no FROM feed_take WHERE visible = 1)`,
  ),
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
