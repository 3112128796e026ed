import { byteas } from '../database/columns.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Differences } from './differences.js';
import { FACT_KINDS, type FactComparison } from './fact-comparison.js';
import { LineKinds } from './line-kinds.js';
import { FACT_TABLES } from './stored-facts.js';
import { toldSeq } from './told-seq.js';

const NAMED_MAX = 20;

/** Finds rows to which no line leads: doubled ones, invented ones, parts that belong to nothing. */
export async function findExtraRows(
  tx: Tx,
  branchId: string,
  facts: FactComparison,
  lineKinds: LineKinds,
  differences: Differences,
): Promise<void> {
  for (const kind of FACT_KINDS) {
    const { table, id, parts } = FACT_TABLES[kind];
    const { rows } = await tx.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table} WHERE branch_id = $1`, [
      branchId,
    ]);
    const extra = rows - facts.found[kind];
    if (extra > 0) await nameExtra(tx, branchId, { kind, table, id, extra }, lineKinds, differences);
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
  lineKinds: LineKinds,
  differences: Differences,
): Promise<void> {
  const { incarnations, kinds } = lineKinds.columns();
  const named = await tx.query<{ ids: string; incarnation: string; seq: number; isLine: boolean }>(
    `SELECT string_agg(id, ', ' ORDER BY id) AS ids, incarnation, seq, bool_and(is_line) AS "isLine"
     FROM (
       SELECT f.${id}::text AS id, f.incarnation, ${toldSeq('f.seq')} AS seq,
         CASE WHEN f.seq BETWEEN 1 AND octet_length(l.kinds) THEN get_byte(l.kinds, f.seq::integer - 1) = $2 ELSE false END AS is_line
       FROM ${table} f LEFT JOIN (SELECT unnest($3::uuid[]) AS incarnation, unnest($4::bytea[]) AS kinds) l USING (incarnation)
       WHERE f.branch_id = $1
     ) told
     GROUP BY incarnation, seq HAVING count(*) > 1 OR NOT bool_and(is_line) ORDER BY incarnation, seq LIMIT ${NAMED_MAX}`,
    [branchId, LineKinds.codeOf(kind), incarnations, byteas(kinds)],
  );
  for (const { ids, incarnation, seq, isLine } of named) {
    const line = `line ${seq} of ${incarnation}`;
    const why = isLine ? `all come from ${line}` : `come from ${line}, which is no ${kind} or waits in quarantine`;
    differences.add('extra-row', `${table}: ${ids} ${why}`);
  }
  if (named.length === 0) differences.add('extra-row', `${table} has ${extra} rows to which no archived line leads`);
}
