import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

/** A branch as the tables name it. */
export interface Insider {
  branchId: string;
  boxId: string;
}

/** By table: how many rows are not the insider's, and a hash of all they say. */
export type Outside = Map<string, string>;

/** Columns by which a row says whose it is; the first that a table has counts. */
const OWNERS: readonly { column: string; of(insider: Insider): string }[] = [
  { column: 'branch_id', of: ({ branchId }) => branchId },
  { column: 'box_id', of: ({ boxId }) => boxId },
  { column: 'scope', of: ({ branchId }) => `branch:${branchId}` },
];

const COLUMNS = `
SELECT c.table_name AS "table", array_agg(c.column_name::text) AS columns
  FROM information_schema.columns c
  JOIN information_schema.tables t USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
 GROUP BY c.table_name ORDER BY c.table_name`;

/**
 * Everything in the hub's database that is not of that branch, as one hash a table. @param url the superuser's: row-level
 * security is passed by
 */
export async function hashOutside(url: string, insider: Insider): Promise<Outside> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const tables = (await client.query<{ table: string; columns: string[] }>(COLUMNS)).rows;
    const outside: Outside = new Map();
    for (const { table, columns } of tables) {
      const owner = OWNERS.find(({ column }) => columns.includes(column));
      const isBox = table === 'box';
      const column = isBox ? 'id' : owner?.column;
      const condition = column === undefined ? '$1 = $1' : `${pg.escapeIdentifier(column)}::text IS DISTINCT FROM $1`;
      const own = isBox ? insider.boxId : (owner?.of(insider) ?? '');
      const { rows } = await client.query<{ said: string }>(
        `SELECT count(*) || ' rows ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') AS said
           FROM ${pg.escapeIdentifier(table)} t WHERE ${condition}`,
        [own],
      );
      outside.set(table, rows[0]?.said ?? '');
    }
    return outside;
  } finally {
    await client.end();
  }
}

const SETTLED_MS = 2_000;
const SETTLING_MAX = 30;

/** Once nothing changes any more by itself: when boxes were heard from is written down a little later. */
export async function hashSettled(url: string, insider: Insider): Promise<Outside> {
  let before = await hashOutside(url, insider);
  for (let times = 0; times < SETTLING_MAX; times += 1) {
    await pause(SETTLED_MS);
    const after = await hashOutside(url, insider);
    if (changedOutside(before, after).length === 0) return after;
    before = after;
  }
  throw new Error('the database does not come to rest');
}

/** Tables in which something outside has changed. */
export function changedOutside(before: Outside, after: Outside): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((table) => before.get(table) !== after.get(table));
}
