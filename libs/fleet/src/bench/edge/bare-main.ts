import { rmSync } from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { serveQuestions } from '../helper-process.js';

export interface BareLoop {
  /** The edge's file: its tables, and the rows of the sales that are written again. */
  from: string;
  /** A file of its own, written anew. */
  to: string;
  /** The newest so many sales. */
  sales: number;
  /** Sales in one commit. */
  group: number;
}

export interface BareFigures {
  elapsedMs: number;
  rows: number;
}

type Row = Record<string, string | number | Buffer | null>;
type Insert = { statement: BetterSqlite3.Statement; row: Row };

/** What each sale adds, in the order in which the edge writes it; `saleNo` says which sale a row of the table is of. */
const ADDED: readonly { table: string; saleNo: string }[] = [
  { table: 'journal', saleNo: '(SELECT no FROM temp.place WHERE position = journal.position)' },
  { table: 'sale', saleNo: 'no' },
  { table: 'tender_entry', saleNo: 'sale_no' },
  { table: 'stock_movement', saleNo: 'sale_no' },
];

/**
 * The least that can be done to keep a sale: the rows that the edge wrote for it, put into the same tables by prepared
 * statements, `synchronous=FULL`. No HTTP, no token, no schema, no prices, no chain, nothing read.
 */
serveQuestions<BareLoop, BareFigures>(({ from, to, sales, group }) => {
  const source = new BetterSqlite3(from, { readonly: true });
  for (const rest of ['', '-wal', '-shm']) rmSync(`${to}${rest}`, { force: true });
  const target = new BetterSqlite3(to);
  try {
    target.pragma(`page_size = ${String(source.pragma('page_size', { simple: true }))}`);
    target.pragma('journal_mode = WAL');
    target.pragma('synchronous = FULL');
    copySchema(source, target);
    const writes = salesOf(source, target, sales);
    target.pragma('foreign_keys = ON');
    const startedMs = performance.now();
    const rows = commitAll(target, writes, group);
    return { elapsedMs: performance.now() - startedMs, rows };
  } finally {
    source.close();
    target.close();
  }
});

function copySchema(source: BetterSqlite3.Database, target: BetterSqlite3.Database): void {
  const statements = source
    .prepare(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid`)
    .pluck()
    .all() as string[];
  for (const sql of statements) target.exec(sql);
  for (const table of ['incarnation', 'shift']) {
    for (const row of source.prepare(`SELECT * FROM ${table}`).all() as Row[]) insertInto(target, table, row).run(row);
  }
}

/** All in memory before the clock starts. */
function salesOf(source: BetterSqlite3.Database, target: BetterSqlite3.Database, sales: number): Insert[][] {
  const last = source.prepare('SELECT max(no) FROM sale').pluck().get() as number;
  const added = new Map<number, { table: string; row: Row; statement: BetterSqlite3.Statement }[]>();
  // The positions of the newest sales, found once: no index leads from a line to its sale.
  source.exec(
    'CREATE TEMP TABLE place AS SELECT position, no FROM sale; CREATE UNIQUE INDEX temp.place_of ON place (position)',
  );
  for (const { table, saleNo } of ADDED) {
    const rows = source.prepare(`SELECT ${saleNo} AS ofSale, * FROM ${table} WHERE ofSale > ?`).all(last - sales);
    let statement: BetterSqlite3.Statement | undefined;
    for (const { ofSale, ...row } of rows as (Row & { ofSale: number })[]) {
      statement ??= insertInto(target, table, row);
      const ofThis = added.get(ofSale) ?? [];
      added.set(ofSale, ofThis);
      ofThis.push({ table, row, statement });
    }
  }
  const counted = countersOf(target);
  return [...added.values()].map((rows) => [...rows, ...counted(rows)]);
}

function insertInto(target: BetterSqlite3.Database, table: string, row: Row): BetterSqlite3.Statement {
  const columns = Object.keys(row);
  return target.prepare(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((name) => `@${name}`).join(', ')})`,
  );
}

/** What a sale adds to rows that stand: the head, the stock, the till's counter and its total. */
function countersOf(target: BetterSqlite3.Database): (added: readonly { table: string; row: Row }[]) => Insert[] {
  const head = target.prepare(
    `INSERT INTO journal_head (id, incarnation_no, seq, hash, position, hlc)
     VALUES (1, @incarnation_no, @seq, @hash, @position, '0198a0b1c2d3-0000')
     ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, position = excluded.position`,
  );
  const balance = target.prepare(
    `INSERT INTO stock_balance (product, on_hand_milli) VALUES (@product, @quantity_milli)
     ON CONFLICT (product) DO UPDATE SET on_hand_milli = on_hand_milli + excluded.on_hand_milli`,
  );
  const counter = target.prepare(
    `INSERT INTO receipt_counter (till, epoch, series, last) VALUES (@till, 1, 'sale', @seq)
     ON CONFLICT (till, epoch, series) DO UPDATE SET last = max(last, excluded.last)`,
  );
  const total = target.prepare(
    `INSERT INTO till_total (till, last_z, grand_total_minor) VALUES (@till, 0, @total_minor)
     ON CONFLICT (till) DO UPDATE SET grand_total_minor = grand_total_minor + excluded.grand_total_minor`,
  );
  return (added) =>
    added.flatMap(({ table, row }): Insert[] => {
      if (table === 'journal') return [{ statement: head, row }];
      if (table === 'stock_movement') return [{ statement: balance, row }];
      return table === 'sale' ? [counter, total].map((statement) => ({ statement, row })) : [];
    });
}

function commitAll(target: BetterSqlite3.Database, sales: readonly Insert[][], group: number): number {
  const begin = target.prepare('BEGIN IMMEDIATE');
  const commit = target.prepare('COMMIT');
  let rows = 0;
  for (let at = 0; at < sales.length; at += group) {
    begin.run();
    for (const writes of sales.slice(at, at + group)) {
      for (const { statement, row } of writes) statement.run(row);
      rows += writes.length;
    }
    commit.run();
  }
  return rows;
}
