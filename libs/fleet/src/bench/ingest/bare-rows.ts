import type pg from 'pg';
import { copyIn, copyOut } from './copy.js';
import type { WrittenPush } from './branch-journal.js';

/** A table of the hub's, or a view that reads as one: its columns and types are asked of the database. */
type Source = { table: string; key: string; rows: string; without?: readonly string[] };

/** @param of which rows `f` belong to the sale `s` */
const ofSale = (table: string, key: string, of: string, without: readonly string[] = []): Source => ({
  table,
  key,
  rows: `public.sale s JOIN public.${table} f ON f.branch_id = s.branch_id AND ${of} WHERE ${IN_PUSH} ORDER BY s.seq`,
  without,
});
const IN_PUSH = `s.branch_id = $BRANCH AND s.incarnation = $INCARNATION AND s.seq BETWEEN $FIRST AND $LAST`;

const SALE = ofSale('sale', 'branch_id, id', 'f.id = s.id');
const MODIFIERS = ofSale(
  'sale_modifier',
  'branch_id, sale_id, line_no, informational, modifier_no',
  'f.sale_id = s.id',
);
const TENDERS = ofSale('sale_tender', 'branch_id, sale_id, tender_no', 'f.sale_id = s.id');

/**
 * The bare rows of a sale: all that the hub can tell of it when rollups, balances and checks are left out, one row for each
 * thing, as a plain schema has them; however the hub lays them.
 */
const BARE: readonly Source[] = [
  SALE,
  ofSale('sale_line', 'branch_id, sale_id, line_no', 'f.sale_id = s.id', ['tax_code', 'tax_rate_ppm']),
  MODIFIERS,
  ofSale('sale_tax', 'branch_id, sale_id, line_no, tax_no', 'f.sale_id = s.id'),
  TENDERS,
  ofSale('stock_movement', 'branch_id, source_id, movement_no', 'f.source_id = s.id'),
];

/** The same as the hub lays them: lines that came together as one, movements and most taxes told by the lines of the sale. */
const LAID: readonly Source[] = [
  {
    table: 'journal_chunk',
    key: 'branch_id, incarnation, last_seq',
    rows: `public.journal_chunk f
      WHERE f.branch_id = $BRANCH AND f.incarnation = $INCARNATION AND f.first_seq >= $FIRST AND f.last_seq <= $LAST`,
    without: ['follows_seq'],
  },
  SALE,
  ofSale('sale_line', 'branch_id, sale_id, line_no', 'f.sale_id = s.id'),
  MODIFIERS,
  ofSale('sale_line_tax', 'branch_id, sale_id, line_no, tax_no', 'f.sale_id = s.id'),
  TENDERS,
];

const ARCHIVE = `CREATE TABLE $SCHEMA.journal_line (
  tenant_id uuid NOT NULL, branch_id uuid NOT NULL, incarnation uuid NOT NULL, seq bigint NOT NULL, kind text NOT NULL, key text NOT NULL,
  hash bytea NOT NULL, bytes bytea NOT NULL, at timestamptz NOT NULL, received_at timestamptz NOT NULL)`;

/** What one push amounts to, as COPY takes it: a table and its rows. */
export type PushRows = { table: string; bytes: Buffer }[];
export type Layout = 'bare' | 'laid';

/** Tables with the layout's rows: with each one's primary key and no other index, or with none at all. */
export type RowsSchema = 'bare_keyed' | 'bare' | 'laid_keyed';
const LAYOUTS: Readonly<Record<RowsSchema, Layout>> = { bare_keyed: 'bare', bare: 'bare', laid_keyed: 'laid' };
const SOURCES: Readonly<Record<Layout, readonly Source[]>> = { bare: BARE, laid: LAID };

export async function createRowTables(client: pg.Client, schema: RowsSchema): Promise<void> {
  const isKeyed = schema !== 'bare';
  await client.query(`CREATE SCHEMA ${schema}`);
  if (LAYOUTS[schema] === 'bare') {
    await client.query(ARCHIVE.replace('$SCHEMA', schema));
    if (isKeyed) await client.query(`ALTER TABLE ${schema}.journal_line ADD PRIMARY KEY (branch_id, incarnation, seq)`);
  }
  for (const source of SOURCES[LAYOUTS[schema]]) {
    const { table, key } = source;
    const columns = await columnsOf(client, source);
    const list = columns.map(({ name }) => name).join(', ');
    await client.query(`CREATE TABLE ${schema}.${table} AS SELECT ${list} FROM public.${table} LIMIT 0`);
    for (const { name, storage } of columns.filter(({ needed }) => needed)) {
      await client.query(`ALTER TABLE ${schema}.${table} ALTER ${name} SET NOT NULL`);
      if (storage === 'e') await client.query(`ALTER TABLE ${schema}.${table} ALTER ${name} SET STORAGE EXTERNAL`);
    }
    if (isKeyed) await client.query(`ALTER TABLE ${schema}.${table} ADD PRIMARY KEY (${key})`);
  }
}

type Column = { name: string; needed: boolean; storage: string };

/** A view says of no column that it is needed; those of ours are. */
async function columnsOf(client: pg.Client, { table, without = [] }: Source): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT a.attname AS name, a.attnotnull OR c.relkind = 'v' AS needed, a.attstorage AS storage
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.oid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL ($2) ORDER BY a.attnum`,
    [`public.${table}`, without],
  );
  return rows;
}

/** The rows that the hub has stored of a push; those of the bare archive are the journal's own lines. */
export async function rowsOfPush(
  client: pg.Client,
  layout: Layout,
  push: WrittenPush,
  box: { tenant: string; branch: string },
): Promise<PushRows> {
  const parts: PushRows = layout === 'bare' ? [{ table: 'journal_line', bytes: archiveRows(push, box) }] : [];
  for (const source of SOURCES[layout]) {
    const columns = await columnsOf(client, source);
    const rows = source.rows
      .replace('$BRANCH', `'${box.branch}'`)
      .replace('$INCARNATION', `'${push.incarnation}'`)
      .replace('$FIRST', `${push.lines[0]?.seq}`)
      .replace('$LAST', `${push.lines.at(-1)?.seq}`);
    const sql = `COPY (SELECT ${columns.map(({ name }) => `f.${name}`).join(', ')} FROM ${rows}) TO STDOUT`;
    parts.push({ table: source.table, bytes: await copyOut(client, sql) });
  }
  return parts;
}

/** One commit for each push, as the hub does it. */
export async function copyRows(client: pg.Client, schema: RowsSchema, push: PushRows): Promise<void> {
  await client.query('BEGIN');
  for (const { table, bytes } of push) await copyIn(client, `COPY ${schema}.${table} FROM STDIN`, bytes);
  await client.query('COMMIT');
}

export function layoutOf(schema: RowsSchema): Layout {
  return LAYOUTS[schema];
}

function archiveRows(
  { incarnation, lines }: WrittenPush,
  { tenant, branch }: { tenant: string; branch: string },
): Buffer {
  const rows = lines.map(({ seq, kind, key, atMs, hash, bytes }) => {
    const at = new Date(atMs).toISOString();
    return `${tenant}\t${branch}\t${incarnation}\t${seq}\t${kind}\t${key}\t\\\\x${hash.toString('hex')}\t\\\\x${bytes.toString('hex')}\t${at}\t${at}\n`;
  });
  return Buffer.from(rows.join(''));
}
