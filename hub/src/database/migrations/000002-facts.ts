import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What the stores did. Everything is keyed `(branch_id, …)`, so that Citus spreads it unchanged, and nothing points at the
 * catalogue or at people: a fact stands, whatever became of what it names. Amounts are minor units, quantities thousandths.
 *
 * A branch's writes are serialised by its row in `branch_stream` (lock order: stream → rows by key → rollups by key → outbox).
 */
export class Facts implements MigrationInterface {
  readonly name = 'facts-0000000000002';

  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [...STREAMS, ...SALES, ...CASH_AND_STOCK, ...WORK_LISTS, ...ROLLUPS]) await runner.query(sql);
    for (const table of INSERT_ONLY) await runner.query(`SELECT branchline_protect('${table}', 'SELECT, INSERT')`);
    for (const table of KEPT_UP) await runner.query(`SELECT branchline_protect('${table}', 'SELECT, INSERT, UPDATE')`);
  }

  async down(): Promise<void> {
    throw new Error('migrations go forward only');
  }
}

/** A fact never changes: the role of the hub's use cases could not do it either. */
const INSERT_ONLY = [
  'journal_line',
  'sale',
  'sale_line',
  'sale_modifier',
  'sale_tax',
  'sale_tender',
  'sale_alias',
  'sale_exception',
  'shift',
  'shift_close',
  'shift_tender',
  'day_seal',
  'device',
  'stock_movement',
];

const KEPT_UP = [
  'branch_stream',
  'incarnation',
  'quarantine',
  'conflict',
  'stock_balance',
  'sales_by_hour',
  'sales_by_product',
  'sales_by_tender',
  'sales_by_operator',
  'sales_by_modifier',
];

/** Room on each page for the next version of its rows, so that an update touches no index (HOT). */
const OFTEN_UPDATED = 'WITH (fillfactor = 70)';

const STREAMS = [
  `CREATE TABLE branch_stream (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    last_push_at timestamptz NOT NULL,
    CONSTRAINT pk_branch_stream PRIMARY KEY (branch_id)
  ) ${OFTEN_UPDATED}`,
  `CREATE TABLE incarnation (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    box_id uuid NOT NULL,
    epoch integer NOT NULL,
    reason text NOT NULL,
    previous_incarnation uuid,
    previous_seq bigint,
    previous_hash bytea,
    applied_seq bigint NOT NULL,
    head_hash bytea NOT NULL,
    last_line_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    last_push_at timestamptz NOT NULL,
    CONSTRAINT pk_incarnation PRIMARY KEY (branch_id, incarnation)
  ) ${OFTEN_UPDATED}`,
  // The bytes as they were hashed: bytea, since not every line that a box signs is text that PostgreSQL can hold.
  `CREATE TABLE journal_line (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    hash bytea NOT NULL,
    bytes bytea NOT NULL,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    CONSTRAINT pk_journal_line PRIMARY KEY (branch_id, incarnation, seq)
  )`,
];

const AMOUNTS = `amount_minor bigint NOT NULL,
    discount_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL`;

const SALES = [
  // No unique constraint on receipt numbers: should two histories print one number, both sales stand (`sale_exception`).
  `CREATE TABLE sale (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    id uuid NOT NULL,
    receipt_number text NOT NULL,
    device_reference text,
    epoch integer NOT NULL,
    till text NOT NULL,
    operator text NOT NULL,
    shift_id uuid,
    business_date date NOT NULL,
    hour smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    sold_at timestamptz NOT NULL,
    source text NOT NULL,
    customer_id text,
    currency text NOT NULL,
    lines integer NOT NULL,
    units_milli bigint NOT NULL,
    ${AMOUNTS},
    cash_rounding_minor bigint NOT NULL,
    change_minor bigint NOT NULL,
    flags jsonb NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_sale PRIMARY KEY (branch_id, id)
  )`,
  'CREATE INDEX ix_sale_receipt_number ON sale (branch_id, receipt_number)',
  `CREATE TABLE sale_line (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    line_no integer NOT NULL,
    product text NOT NULL,
    name text NOT NULL,
    quantity_milli bigint NOT NULL,
    price_minor bigint NOT NULL,
    price_per numeric NOT NULL,
    price_source text NOT NULL,
    ${AMOUNTS},
    CONSTRAINT pk_sale_line PRIMARY KEY (branch_id, sale_id, line_no)
  )`,
  `CREATE TABLE sale_modifier (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    line_no integer NOT NULL,
    modifier_no integer NOT NULL,
    kind text NOT NULL,
    informational boolean NOT NULL,
    amount_minor bigint NOT NULL,
    CONSTRAINT pk_sale_modifier PRIMARY KEY (branch_id, sale_id, line_no, informational, modifier_no)
  )`,
  `CREATE TABLE sale_tax (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    line_no integer NOT NULL,
    tax_no integer NOT NULL,
    code text NOT NULL,
    rate_ppm bigint NOT NULL,
    amount_minor bigint NOT NULL,
    CONSTRAINT pk_sale_tax PRIMARY KEY (branch_id, sale_id, line_no, tax_no)
  )`,
  `CREATE TABLE sale_tender (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    tender_no integer NOT NULL,
    type text NOT NULL,
    amount_minor bigint NOT NULL,
    cash_back_minor bigint NOT NULL,
    CONSTRAINT pk_sale_tender PRIMARY KEY (branch_id, sale_id, tender_no)
  )`,
  // The number that a sale bears in another history of the same branch.
  `CREATE TABLE sale_alias (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    receipt_number text NOT NULL,
    sale_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT pk_sale_alias PRIMARY KEY (branch_id, receipt_number, sale_id)
  )`,
  `CREATE TABLE sale_exception (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    sale_id uuid NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT pk_sale_exception PRIMARY KEY (branch_id, sale_id, code)
  )`,
];

const CASH_AND_STOCK = [
  `CREATE TABLE shift (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    id uuid NOT NULL,
    till text NOT NULL,
    drawer text NOT NULL,
    operator text NOT NULL,
    float_minor bigint NOT NULL,
    currency text NOT NULL,
    opened_at timestamptz NOT NULL,
    business_date date NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_shift PRIMARY KEY (branch_id, id)
  )`,
  // Its own table and not an update of the shift: facts are only inserted, and a Z may come whose opening is set aside.
  `CREATE TABLE shift_close (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    id uuid NOT NULL,
    z_number bigint NOT NULL,
    till text NOT NULL,
    drawer text NOT NULL,
    operator text NOT NULL,
    closed_at timestamptz NOT NULL,
    business_date date NOT NULL,
    currency text NOT NULL,
    grand_total_minor bigint NOT NULL,
    z jsonb NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_shift_close PRIMARY KEY (branch_id, id)
  )`,
  `CREATE TABLE shift_tender (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    shift_id uuid NOT NULL,
    tender_no integer NOT NULL,
    type text NOT NULL,
    currency text NOT NULL,
    expected_minor bigint NOT NULL,
    declared_minor bigint,
    difference_minor bigint,
    CONSTRAINT pk_shift_tender PRIMARY KEY (branch_id, shift_id, tender_no)
  )`,
  `CREATE TABLE day_seal (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    business_date date NOT NULL,
    operator text NOT NULL,
    sealed_at timestamptz NOT NULL,
    figures jsonb NOT NULL,
    shifts jsonb NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_day_seal PRIMARY KEY (branch_id, business_date)
  )`,
  `CREATE TABLE device (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    till text NOT NULL,
    token_hash text NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT pk_device PRIMARY KEY (branch_id, id)
  )`,
  `CREATE TABLE stock_movement (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    source_id uuid NOT NULL,
    movement_no integer NOT NULL,
    product text NOT NULL,
    quantity_milli bigint NOT NULL,
    reason text NOT NULL,
    business_date date NOT NULL,
    CONSTRAINT pk_stock_movement PRIMARY KEY (branch_id, source_id, movement_no)
  )`,
  `CREATE TABLE stock_balance (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    product text NOT NULL,
    quantity_milli bigint NOT NULL,
    CONSTRAINT pk_stock_balance PRIMARY KEY (branch_id, product)
  ) ${OFTEN_UPDATED}`,
];

const WORK_LISTS = [
  // state: open (will not project as it is), held (a later version will know it), mended (projected since).
  `CREATE TABLE quarantine (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    branch_id uuid NOT NULL,
    incarnation uuid NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    at timestamptz NOT NULL,
    tried_at timestamptz NOT NULL,
    CONSTRAINT pk_quarantine PRIMARY KEY (branch_id, incarnation, seq),
    CONSTRAINT ck_quarantine_state CHECK (state IN ('open', 'held', 'mended'))
  )`,
  'CREATE INDEX ix_quarantine_id ON quarantine (id)',
  `CREATE INDEX ix_quarantine_waiting ON quarantine (branch_id) WHERE state <> 'mended'`,
  `CREATE TABLE conflict (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    branch_id uuid NOT NULL,
    type text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    first_incarnation uuid NOT NULL,
    first_seq bigint NOT NULL,
    second_incarnation uuid NOT NULL,
    second_seq bigint NOT NULL,
    suggested text NOT NULL,
    reason text NOT NULL,
    state text NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT pk_conflict PRIMARY KEY (branch_id, second_incarnation, second_seq)
  )`,
  'CREATE INDEX ix_conflict_id ON conflict (id)',
];

/** The currency is part of each key: amounts of two currencies are never added. */
const rollup = (name: string, member: string, memberKey: string, columns: string): string => `CREATE TABLE ${name} (
    tenant_id uuid NOT NULL,
    branch_id uuid NOT NULL,
    business_date date NOT NULL,
    ${member},
    currency text NOT NULL,
    ${columns},
    CONSTRAINT pk_${name} PRIMARY KEY (branch_id, business_date, ${memberKey}, currency)
  ) ${OFTEN_UPDATED}`;

const LINES_AND_UNITS = 'lines bigint NOT NULL,\n    units_milli bigint NOT NULL';

const ROLLUPS = [
  rollup(
    'sales_by_hour',
    'hour smallint NOT NULL',
    'hour',
    `baskets bigint NOT NULL,\n    ${LINES_AND_UNITS},\n    ${AMOUNTS}`,
  ),
  rollup('sales_by_product', 'product text NOT NULL', 'product', `${LINES_AND_UNITS},\n    ${AMOUNTS}`),
  rollup(
    'sales_by_tender',
    'tender text NOT NULL',
    'tender',
    'baskets bigint NOT NULL,\n    amount_minor bigint NOT NULL',
  ),
  rollup(
    'sales_by_operator',
    'operator text NOT NULL',
    'operator',
    `baskets bigint NOT NULL,\n    ${LINES_AND_UNITS},\n    ${AMOUNTS}`,
  ),
  rollup(
    'sales_by_modifier',
    'kind text NOT NULL,\n    informational boolean NOT NULL',
    'kind, informational',
    'lines bigint NOT NULL,\n    amount_minor bigint NOT NULL',
  ),
];
