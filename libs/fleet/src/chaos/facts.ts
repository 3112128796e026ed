import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import pg from 'pg';
import { EDGE_CLI } from '../chain/programs.js';
import { lastLine, runProgram } from '../mutants/run-program.js';
import { plainEnvironment } from '../accept/scratch.js';

export interface SaleFact {
  id: string;
  receiptNumber: string;
  businessDate: string;
  totalMinor: number;
}

/** Where a history stands. */
export interface Head {
  incarnation: string;
  seq: number;
  hash: string;
}

/** What head office has of one branch, read from its rows and not through its own reports. */
export interface HubFacts {
  sales: SaleFact[];
  /** Numbers that a sale bears in another history. */
  aliases: { saleId: string; receiptNumber: string }[];
  /** Sales that are marked for bearing a number that another bears. */
  doubled: string[];
  /** On hand by product, thousandths. */
  stock: Map<string, number>;
  /** Σ tenders − cash back − change − cash rounding. */
  paidMinor: number;
  /** Sums that reports read. */
  rollup: { baskets: number; totalMinor: number };
  heads: Head[];
  /** Lines set aside that are not mended. */
  quarantined: { seq: number; kind: string; code: string }[];
}

/** What a box has, read from a copy that `edge -- backup` made and proved while it sold on. */
export interface BoxFacts {
  folder: string;
  sales: SaleFact[];
  stock: Map<string, number>;
  paidMinor: number;
  heads: Head[];
  /** The one that it writes now. */
  head: Head | null;
}

const SALES = `
SELECT s.id, s.receipt_number AS "receiptNumber", s.business_date::text AS "businessDate", s.total_minor::float8 AS "totalMinor"
  FROM sale s WHERE s.branch_id = $1 ORDER BY s.id`;
const ALIASES = `SELECT sale_id AS "saleId", receipt_number AS "receiptNumber" FROM sale_alias WHERE branch_id = $1`;
const DOUBLED = `SELECT sale_id AS id FROM sale_exception WHERE branch_id = $1 AND code = 'duplicate-receipt-number'`;
const STOCK = `SELECT product, quantity_milli::float8 AS milli FROM stock_balance WHERE branch_id = $1`;
const PAID = `
SELECT coalesce((SELECT sum(amount_minor - cash_back_minor) FROM sale_tender WHERE branch_id = $1), 0)::float8
     - coalesce((SELECT sum(change_minor + cash_rounding_minor) FROM sale WHERE branch_id = $1), 0)::float8 AS minor`;
const ROLLUP = `
SELECT coalesce(sum(baskets), 0)::float8 AS baskets, coalesce(sum(total_minor), 0)::float8 AS "totalMinor"
  FROM sales_by_hour WHERE branch_id = $1`;
const HEADS = `
SELECT incarnation, applied_seq::float8 AS seq, encode(head_hash, 'hex') AS hash FROM incarnation WHERE branch_id = $1`;
const QUARANTINED = `
SELECT seq::float8 AS seq, kind, code FROM quarantine WHERE branch_id = $1 AND state <> 'mended' ORDER BY incarnation, seq`;

type Ask = <T>(sql: string, parameter: string) => Promise<T[]>;

/** @param url the superuser's: row-level security is passed by */
async function withDatabase<T>(url: string, work: (all: Ask) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(async <R>(sql: string, parameter: string) => (await client.query(sql, [parameter])).rows as R[]);
  } finally {
    await client.end();
  }
}

const PRICES = `
SELECT DISTINCT ON (price_zone) price_zone AS zone, price_minor::float8 AS minor FROM price_entry
 WHERE product = $1 AND valid_from <= now() ORDER BY price_zone, valid_from DESC`;

/** What head office says a product costs now, by zone. */
export function readPrices(url: string, product: string): Promise<Map<string, number>> {
  return withDatabase(url, async (all) => {
    const rows = await all<{ zone: string; minor: number }>(PRICES, product);
    return new Map(rows.map(({ zone, minor }) => [zone, minor]));
  });
}

export function readHubFacts(url: string, branchCode: string): Promise<HubFacts> {
  return withDatabase(url, async (all) => {
    const [branch] = await all<{ id: string }>('SELECT id FROM branch WHERE code = $1', branchCode);
    if (branch === undefined) throw new Error(`the hub has no branch ${branchCode}`);
    const stock = await all<{ product: string; milli: number }>(STOCK, branch.id);
    const [paid] = await all<{ minor: number }>(PAID, branch.id);
    const [rollup] = await all<HubFacts['rollup']>(ROLLUP, branch.id);
    return {
      sales: await all<SaleFact>(SALES, branch.id),
      aliases: await all(ALIASES, branch.id),
      doubled: (await all<{ id: string }>(DOUBLED, branch.id)).map(({ id }) => id),
      stock: new Map(stock.map(({ product, milli }) => [product, milli])),
      paidMinor: paid?.minor ?? 0,
      rollup: rollup ?? { baskets: 0, totalMinor: 0 },
      heads: await all<Head>(HEADS, branch.id),
      quarantined: await all(QUARANTINED, branch.id),
    };
  });
}

const BACKUP_MS_MAX = 60_000;

/** @throws Error with what the backup said: a file whose chain is broken gives none */
export async function readBoxFacts(
  { folder, dataDir, scratchFile }: { folder: string; dataDir: string; scratchFile: string },
  signal: AbortSignal,
): Promise<BoxFacts> {
  rmSync(scratchFile, { force: true });
  const options = { cwd: dataDir, env: plainEnvironment(), boundMs: BACKUP_MS_MAX, signal };
  const args = [EDGE_CLI, 'backup', scratchFile, '--data', dataDir];
  const { code, stderr } = await runProgram(process.execPath, args, options);
  if (code !== 0) throw new Error(`the backup of ${folder} failed: ${lastLine(stderr)}`);
  const database = new Database(scratchFile, { readonly: true });
  try {
    return { folder, ...factsIn(database) };
  } finally {
    database.close();
    rmSync(scratchFile, { force: true });
  }
}

function factsIn(database: Database.Database): Omit<BoxFacts, 'folder'> {
  const all = <T>(sql: string): T[] => database.prepare(sql).all() as T[];
  const heads = all<Head>(
    `SELECT i.id AS incarnation, j.seq, lower(hex(j.hash)) AS hash FROM incarnation i
       JOIN journal j ON j.incarnation_no = i.no AND j.seq = (SELECT max(seq) FROM journal WHERE incarnation_no = i.no)`,
  );
  const [head] = all<Head>(
    `SELECT i.id AS incarnation, h.seq, lower(hex(h.hash)) AS hash FROM journal_head h JOIN incarnation i ON i.no = h.incarnation_no`,
  );
  const stock = all<{ product: string; milli: number }>('SELECT product, on_hand_milli AS milli FROM stock_balance');
  const [paid] = all<{ minor: number }>(
    `SELECT coalesce(sum(amount_minor), 0) AS minor FROM tender_entry WHERE sale_no IS NOT NULL`,
  );
  return {
    sales: all<SaleFact>(
      `SELECT id, receipt_number AS receiptNumber, business_date AS businessDate, total_minor AS totalMinor FROM sale ORDER BY id`,
    ),
    stock: new Map(stock.map(({ product, milli }) => [product, milli])),
    paidMinor: paid?.minor ?? 0,
    heads,
    head: head ?? null,
  };
}
