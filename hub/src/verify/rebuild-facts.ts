import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import { projectLines } from '../sync/facts.js';
import { LATE } from '../sync/amendments.js';
import type { ReadyLine } from '../sync/read-line.js';
import type { Corrections } from './corrections.js';
import { expectedFact, type FactKind } from './expected-facts.js';
import { FACT_KINDS, differenceOfFact } from './fact-comparison.js';
import { FACT_TABLES, storedFacts } from './stored-facts.js';
import type { ToldOfSales } from './told-of-sales.js';

/** Tables of a fact's parts; what is a view over them needs no making. */
const PARTS: Readonly<Partial<Record<FactKind, readonly { table: string; parent: string }[]>>> = {
  sale: ['sale_line', 'sale_modifier', 'sale_line_tax', 'sale_tender'].map((table) => ({ table, parent: 'sale_id' })),
  'shift-close': [{ table: 'shift_tender', parent: 'shift_id' }],
};
/** What else is said of a sale, and falls with it when no line leads to it. */
const SAID_OF: Readonly<Partial<Record<FactKind, readonly { table: string; parent: string }[]>>> = {
  sale: ['sale_alias', 'sale_exception', 'sale_reversal', 'day_amendment'].map((table) => ({
    table,
    parent: 'sale_id',
  })),
};

/**
 * Rows of these lines that are not there, or not what their line says, made anew by the projection itself; what stands as it
 * should is not touched. The caller holds the branch.
 * @param lines of one history, none of them in quarantine
 * @param told is given what they say of sales beside their rows
 */
export async function rebuildFacts(
  tx: Tx,
  context: FactContext,
  lines: readonly ReadyLine[],
  corrections: Corrections,
  told: ToldOfSales,
): Promise<void> {
  const anew: ReadyLine[] = [];
  for (const kind of FACT_KINDS) {
    const facts = lines
      .filter((line) => line.kind === kind)
      .flatMap((line) => {
        const fact = expectedFact(line, context.timeZone);
        return fact ? [{ line, fact }] : [];
      });
    if (facts.length === 0) continue;
    const stored = await storedFacts(tx, context.branchId, kind, [...new Set(facts.map(({ fact }) => fact.id))]);
    const altered: string[] = [];
    for (const { line, fact } of facts) {
      const row = stored.get(fact.id);
      const place = `${kind} ${fact.id} (line ${line.seq} of ${context.incarnation})`;
      if (!row) {
        corrections.add('missing-row', `${place} had no row in ${FACT_TABLES[kind].table}`);
        anew.push(line);
      } else if (row.incarnation === context.incarnation && row.seq === line.seq) {
        const told = differenceOfFact(kind, line.contentHash, fact, row);
        if (told === null) continue;
        corrections.add('altered-row', `${place}: ${told}`);
        altered.push(fact.id);
        anew.push(line);
      }
    }
    await removeFacts(tx, context.branchId, kind, altered);
  }
  if (anew.length > 0) await projectLines(tx, context, anew);
  await noteTold(tx, context, lines, told);
}

/** As they stand by now: which line a sale stands by, and which tell it again. */
async function noteTold(
  tx: Tx,
  { branchId, incarnation }: FactContext,
  lines: readonly ReadyLine[],
  told: ToldOfSales,
): Promise<void> {
  const sales = lines.filter((line) => line.kind === 'sale');
  if (sales.length === 0) return;
  const ids = [...new Set(sales.map(({ body }) => body.id))];
  const rows = await tx.query<{ id: string; number: string; hash: string; incarnation: string; seq: number }>(
    `SELECT id, receipt_number AS number, content_hash AS hash, incarnation, seq FROM sale WHERE branch_id = $1 AND id = ANY ($2::uuid[])`,
    [branchId, ids],
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const line of sales) {
    const row = byId.get(line.body.id);
    if (row === undefined) continue;
    if (row.incarnation === incarnation && Number(row.seq) === line.seq)
      told.noteOwn(line, line.body.flags.includes(LATE));
    else if (row.hash === line.contentHash && row.number !== line.body.receiptNumber)
      told.noteRepeat({ incarnation, seq: line.seq }, line.body);
  }
}

export async function removeFacts(tx: Tx, branchId: string, kind: FactKind, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const { table, id, idType } = FACT_TABLES[kind];
  for (const { table: of, parent } of [...(PARTS[kind] ?? []), { table, parent: id }])
    await tx.executeAsOwner(`DELETE FROM ${of} WHERE branch_id = $1 AND ${parent} = ANY ($2::${idType}[])`, [
      branchId,
      ids,
    ]);
}

/** Parts that belong to no row, and what is said of sales that are not there. */
export async function removeOrphans(tx: Tx, branchId: string, corrections: Corrections): Promise<void> {
  for (const kind of FACT_KINDS) {
    const { table, id } = FACT_TABLES[kind];
    for (const { table: of, parent } of [...(PARTS[kind] ?? []), ...(SAID_OF[kind] ?? [])]) {
      const removed = await tx.executeAsOwner(
        `DELETE FROM ${of} p WHERE branch_id = $1 AND NOT EXISTS (SELECT FROM ${table} f WHERE f.branch_id = p.branch_id AND f.${id} = p.${parent})`,
        [branchId],
      );
      if (removed > 0) corrections.add('extra-row', `${removed} rows of ${of} belonged to no row of ${table}`, removed);
    }
  }
}
