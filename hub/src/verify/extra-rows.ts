import type { Tx } from '../database/unit-of-work.js';
import type { Differences } from './differences.js';
import { FACT_KINDS, type FactComparison } from './fact-comparison.js';
import { FACT_TABLES } from './stored-facts.js';

const NAMED_MAX = 20;

/** Finds rows to which no line leads: doubled ones, invented ones, parts that belong to nothing. */
export async function findExtraRows(
  tx: Tx,
  branchId: string,
  facts: FactComparison,
  differences: Differences,
): Promise<void> {
  for (const kind of FACT_KINDS) {
    const { table, id, parts } = FACT_TABLES[kind];
    const { rows } = await tx.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE branch_id = $1`, [
      branchId,
    ]);
    const extra = rows - facts.found[kind];
    if (extra > 0) await nameExtra(tx, branchId, { kind, table, id, extra }, differences);
    for (const part of parts) {
      const orphans = await tx.one<{ rows: number }>(
        `SELECT count(*) AS rows FROM ${part.table} p WHERE p.branch_id = $1
         AND NOT EXISTS (SELECT FROM ${table} f WHERE f.branch_id = p.branch_id AND f.${id} = p.${part.parent})`,
        [branchId],
      );
      if (orphans.rows > 0)
        differences.add('extra-row', `${orphans.rows} rows of ${part.table} belong to no row of ${table}`);
    }
  }
}

type Extra = { kind: string; table: string; id: string; extra: number };

/** Each row names the line it comes from: several rows of one line, or a line that is not there or of another kind. */
async function nameExtra(
  tx: Tx,
  branchId: string,
  { kind, table, id, extra }: Extra,
  differences: Differences,
): Promise<void> {
  const named = await tx.query<{ ids: string; incarnation: string; seq: number; isLine: boolean }>(
    `SELECT string_agg(f.${id}::text, ', ' ORDER BY f.${id}) AS ids, f.incarnation, f.seq,
       coalesce(bool_and(l.kind = $2 AND q.seq IS NULL), false) AS "isLine"
     FROM ${table} f
     LEFT JOIN journal_line l ON l.branch_id = f.branch_id AND l.incarnation = f.incarnation AND l.seq = f.seq
     LEFT JOIN quarantine q ON q.branch_id = f.branch_id AND q.incarnation = f.incarnation AND q.seq = f.seq AND q.state <> 'mended'
     WHERE f.branch_id = $1 GROUP BY f.incarnation, f.seq
     HAVING count(*) > 1 OR NOT coalesce(bool_and(l.kind = $2 AND q.seq IS NULL), false)
     ORDER BY f.incarnation, f.seq LIMIT ${NAMED_MAX}`,
    [branchId, kind],
  );
  for (const { ids, incarnation, seq, isLine } of named) {
    const line = `line ${seq} of ${incarnation}`;
    const why = isLine ? `all come from ${line}` : `come from ${line}, which is no ${kind} or waits in quarantine`;
    differences.add('extra-row', `${table}: ${ids} ${why}`);
  }
  if (named.length === 0) differences.add('extra-row', `${table} has ${extra} rows to which no archived line leads`);
}
