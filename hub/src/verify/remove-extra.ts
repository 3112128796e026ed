import { byteas } from '../database/columns.js';
import type { Tx } from '../database/unit-of-work.js';
import type { Corrections } from './corrections.js';
import type { FactKind } from './expected-facts.js';
import { FACT_KINDS } from './fact-comparison.js';
import { LineKinds } from './line-kinds.js';
import { removeFacts } from './rebuild-facts.js';
import { FACT_TABLES } from './stored-facts.js';
import { toldSeq } from './told-seq.js';

const REMOVED_AT_ONCE_MAX = 1_000;

type Extra = { id: string; incarnation: string; seq: number; isLine: boolean };
export type LinePlace = { incarnation: string; seq: number };

/**
 * Takes away rows to which no line leads, and all of those that several say they come from one line.
 * @returns the lines of the latter, to be projected again
 */
export async function removeExtra(
  tx: Tx,
  branchId: string,
  lineKinds: LineKinds,
  corrections: Corrections,
): Promise<LinePlace[]> {
  const again = new Map<string, LinePlace>();
  for (const kind of FACT_KINDS) {
    for (;;) {
      const extra = await findExtra(tx, branchId, kind, lineKinds);
      for (const { id, incarnation, seq, isLine } of extra) {
        const place = `line ${seq} of ${incarnation}`;
        const why = isLine ? `came from ${place} with others` : `came from ${place}, which makes no such row`;
        corrections.add('extra-row', `${FACT_TABLES[kind].table} ${id} ${why}`);
        if (isLine) again.set(place, { incarnation, seq });
      }
      await removeFacts(
        tx,
        branchId,
        kind,
        extra.map(({ id }) => id),
      );
      if (extra.length < REMOVED_AT_ONCE_MAX) break;
    }
  }
  return [...again.values()];
}

function findExtra(tx: Tx, branchId: string, kind: FactKind, lineKinds: LineKinds): Promise<Extra[]> {
  const { table, id } = FACT_TABLES[kind];
  const { incarnations, kinds } = lineKinds.columns();
  return tx.query<Extra>(
    `SELECT id, incarnation, seq, "isLine" FROM (
       SELECT f.${id}::text AS id, f.incarnation, ${toldSeq('f.seq')} AS seq, count(*) OVER (PARTITION BY f.incarnation, f.seq) AS rows,
         CASE WHEN f.seq BETWEEN 1 AND octet_length(l.kinds) THEN get_byte(l.kinds, f.seq::integer - 1) = $2 ELSE false END AS "isLine"
       FROM ${table} f LEFT JOIN (SELECT unnest($3::uuid[]) AS incarnation, unnest($4::bytea[]) AS kinds) l USING (incarnation)
       WHERE f.branch_id = $1
     ) told WHERE rows > 1 OR NOT "isLine" ORDER BY incarnation, seq, id LIMIT ${REMOVED_AT_ONCE_MAX}`,
    [branchId, LineKinds.codeOf(kind), incarnations, byteas(kinds)],
  );
}
