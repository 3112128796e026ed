import type pg from 'pg';
import { copyIn, copyOut } from './copy.js';
import type { WrittenPush } from './branch-journal.js';

/**
 * The bare rows of a sale: what the hub keeps of it when rollups, balances and checks are left out, one row for each
 * thing. Columns and types are those of the hub's own tables, asked of the database.
 */
const FACTS = [
  { table: 'sale', key: 'branch_id, id', of: 'f.id = s.id' },
  { table: 'sale_line', key: 'branch_id, sale_id, line_no', of: 'f.sale_id = s.id' },
  { table: 'sale_modifier', key: 'branch_id, sale_id, line_no, informational, modifier_no', of: 'f.sale_id = s.id' },
  { table: 'sale_tax', key: 'branch_id, sale_id, line_no, tax_no', of: 'f.sale_id = s.id' },
  { table: 'sale_tender', key: 'branch_id, sale_id, tender_no', of: 'f.sale_id = s.id' },
  { table: 'stock_movement', key: 'branch_id, source_id, movement_no', of: 'f.source_id = s.id' },
] as const;

const ARCHIVE = `CREATE TABLE $SCHEMA.journal_line (
  tenant_id uuid NOT NULL, branch_id uuid NOT NULL, incarnation uuid NOT NULL, seq bigint NOT NULL, kind text NOT NULL, key text NOT NULL,
  hash bytea NOT NULL, bytes bytea NOT NULL, at timestamptz NOT NULL, received_at timestamptz NOT NULL)`;

/** What one push amounts to, as COPY takes it: a table and its rows. */
export type BareRows = { table: string; bytes: Buffer }[];

export type BareSchema = 'bare_keyed' | 'bare';

/** Tables of the same shape: `bare_keyed` with each table's primary key and no other index, `bare` with none at all. */
export async function createBareTables(client: pg.Client, schema: BareSchema): Promise<void> {
  await client.query(`CREATE SCHEMA ${schema}`);
  await client.query(ARCHIVE.replace('$SCHEMA', schema));
  for (const { table } of FACTS) {
    await client.query(`CREATE TABLE ${schema}.${table} AS SELECT * FROM public.${table} LIMIT 0`);
    const columns = await client.query<{ name: string }>(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO'`,
      [table],
    );
    for (const { name } of columns.rows)
      await client.query(`ALTER TABLE ${schema}.${table} ALTER ${name} SET NOT NULL`);
  }
  if (schema === 'bare') return;
  await client.query(`ALTER TABLE ${schema}.journal_line ADD PRIMARY KEY (branch_id, incarnation, seq)`);
  for (const { table, key } of FACTS) await client.query(`ALTER TABLE ${schema}.${table} ADD PRIMARY KEY (${key})`);
}

/** The rows that the hub has stored of a push; the archive's lines are the journal's own. */
export async function bareRowsOf(
  client: pg.Client,
  push: WrittenPush,
  box: { tenant: string; branch: string },
): Promise<BareRows> {
  const first = push.lines[0]?.seq ?? 0;
  const last = push.lines.at(-1)?.seq ?? 0;
  const parts: BareRows = [{ table: 'journal_line', bytes: archiveRows(push, box) }];
  for (const { table, of } of FACTS) {
    const sql = `COPY (SELECT f.* FROM public.sale s JOIN public.${table} f ON f.branch_id = s.branch_id AND ${of}
      WHERE s.branch_id = '${box.branch}' AND s.incarnation = '${push.incarnation}' AND s.seq BETWEEN ${first} AND ${last}
      ORDER BY s.seq) TO STDOUT`;
    parts.push({ table, bytes: await copyOut(client, sql) });
  }
  return parts;
}

/** One commit for each push, as the hub does it. */
export async function copyRows(client: pg.Client, schema: BareSchema, push: BareRows): Promise<void> {
  await client.query('BEGIN');
  for (const { table, bytes } of push) await copyIn(client, `COPY ${schema}.${table} FROM STDIN`, bytes);
  await client.query('COMMIT');
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
