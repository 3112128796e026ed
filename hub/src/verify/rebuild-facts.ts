import type { Tx } from '../database/unit-of-work.js';
import type { FactContext } from '../sync/fact-context.js';
import { projectLines } from '../sync/facts.js';
import { LATE } from '../sync/amendments.js';
import type { ReadyLine } from '../sync/read-line.js';
import type { Corrections } from './corrections.js';
import { withTrueClaim } from './claimed-lines.js';
import { expectedFact, type ExpectedFact, type FactKind } from './expected-facts.js';
import { FACT_KINDS, differenceOfFact } from './fact-comparison.js';
import { FACT_TABLES, storedFacts, type StoredFact } from './stored-facts.js';
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
    const due = factsDue(kind, context, facts, stored, corrections);
    const elsewhere = facts.flatMap((each) => standsElsewhere(context, each, stored.get(each.fact.id)) ?? []);
    if (elsewhere.length > 0)
      due.push(...(await misplaced(tx, { ...context, id: context.branchId }, kind, elsewhere, corrections)));
    // Parts of a fact that is missing may be there.
    const ids = [...new Set(due.map(({ fact }) => fact.id))];
    await removeFacts(tx, context.branchId, kind, ids);
    anew.push(...due.map(({ line }) => line));
  }
  if (anew.length > 0) await projectLines(tx, context, anew);
  await noteTold(tx, context, lines, told);
}

type TellingLine = { line: ReadyLine; fact: ExpectedFact };

/** What is not there, or not what its line says. */
function factsDue(
  kind: FactKind,
  { incarnation }: FactContext,
  facts: readonly TellingLine[],
  stored: ReadonlyMap<string, StoredFact>,
  corrections: Corrections,
): TellingLine[] {
  return facts.filter(({ line, fact }) => {
    const row = stored.get(fact.id);
    const place = `${kind} ${fact.id} (line ${line.seq} of ${incarnation})`;
    if (!row) {
      corrections.add('missing-row', `${place} had no row in ${FACT_TABLES[kind].table}`);
      return true;
    }
    if (row.incarnation !== incarnation || row.seq !== line.seq) return false;
    const told = differenceOfFact(kind, line.contentHash, fact, row);
    if (told !== null) corrections.add('altered-row', `${place}: ${told}`);
    return told !== null;
  });
}

type Elsewhere = TellingLine & { row: StoredFact };

function standsElsewhere(
  { incarnation }: FactContext,
  each: TellingLine,
  row: StoredFact | undefined,
): Elsewhere | null {
  if (row === undefined || (row.incarnation === incarnation && row.seq === each.line.seq)) return null;
  return { ...each, row };
}

/** A fact may be told by several lines and stands by one of them: not by one that does not tell of it. */
async function misplaced(
  tx: Tx,
  branch: { id: string; timeZone: string; incarnation: string },
  kind: FactKind,
  elsewhere: readonly Elsewhere[],
  corrections: Corrections,
): Promise<TellingLine[]> {
  const claimed = await withTrueClaim(
    tx,
    branch,
    kind,
    elsewhere.map(({ row }) => row),
  );
  const wrong = elsewhere.filter(({ fact }) => !claimed.has(fact.id));
  for (const { line, fact, row } of wrong) {
    const place = `${kind} ${fact.id} (line ${line.seq} of ${branch.incarnation})`;
    corrections.add(
      'altered-row',
      `${place}: its row said line ${row.seq} of ${row.incarnation}, which does not tell of it`,
    );
  }
  return wrong;
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
