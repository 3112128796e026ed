import type { Tx } from '../database/unit-of-work.js';
import type { JournalKind } from '@branchline/replication/kinds/registry.js';
import { insertCustomerEdits } from '../customers/customer-facts.js';
import type { NewConflict } from '../worklists/record-conflict.js';
import type { FactContext } from './fact-context.js';
import type { Inserted } from './inserted.js';
import type { LineOfKind, ReadyLine } from './read-line.js';
import { otherContents } from './same-content.js';
import { insertAliases, insertSales } from './sale-facts.js';
import { insertDaySeals, insertDevices, insertShiftCloses, insertShifts } from './store-facts.js';

/** How the lines of one kind become facts. A fact has one id in its branch, whichever history brings it. */
export type FactStore<K extends JournalKind> = {
  table: string;
  idColumn: string;
  idType: 'uuid' | 'date';
  idOf(line: LineOfKind<K>): string;
  /** Set-based; leaves alone what is there. */
  insert(tx: Tx, context: FactContext, lines: readonly LineOfKind<K>[]): Promise<Inserted>;
  /** The same fact again, from another history or a doubled line. */
  repeated?(tx: Tx, context: FactContext, lines: readonly LineOfKind<K>[]): Promise<void>;
};

const byId = <K extends 'sale' | 'shift-open' | 'shift-close'>(line: LineOfKind<K>): string => line.body.id;

/** Kinds in the order in which they are projected. `incarnation-open` is not here: it opens the stream itself. */
export const FACT_STORES: { [K in Exclude<JournalKind, 'incarnation-open'>]: FactStore<K> } = {
  'device-enrol': {
    table: 'device',
    idColumn: 'id',
    idType: 'uuid',
    idOf: (line) => line.body.device,
    insert: insertDevices,
  },
  'shift-open': { table: 'shift', idColumn: 'id', idType: 'uuid', idOf: byId<'shift-open'>, insert: insertShifts },
  sale: {
    table: 'sale',
    idColumn: 'id',
    idType: 'uuid',
    idOf: byId<'sale'>,
    insert: insertSales,
    repeated: insertAliases,
  },
  'shift-close': {
    table: 'shift_close',
    idColumn: 'id',
    idType: 'uuid',
    idOf: byId<'shift-close'>,
    insert: insertShiftCloses,
  },
  'day-seal': {
    table: 'day_seal',
    idColumn: 'business_date',
    idType: 'date',
    idOf: (line) => line.body.businessDate,
    insert: insertDaySeals,
  },
  // After all that is the branch's own: customers are everybody's, and held by whoever changes them.
  'customer-edit': {
    table: 'customer_edit',
    idColumn: 'id',
    idType: 'uuid',
    idOf: (line) => line.body.id,
    insert: insertCustomerEdits,
  },
};

/** The same fact was journalled with other content: the first stands. `isHidden`: under the hash of the first one's. */
export type Mismatch = { line: ReadyLine; first: { incarnation: string; seq: number }; isHidden: boolean };

/** `mismatches`: the lines that contradict a fact which stands. `disputes`: about facts that went in. */
export type ProjectedLines = { mismatches: Mismatch[]; disputes: NewConflict[] };

/** Projects lines of one stream, kind by kind. */
export async function projectLines(tx: Tx, context: FactContext, lines: readonly ReadyLine[]): Promise<ProjectedLines> {
  const projected: ProjectedLines = { mismatches: [], disputes: [] };
  for (const kind of Object.keys(FACT_STORES) as (keyof typeof FACT_STORES)[]) {
    const ofKind = lines.filter((line) => line.kind === kind);
    if (ofKind.length === 0) continue;
    // The store of a kind takes lines of that kind, which the compiler does not follow through the table.
    const store = FACT_STORES[kind] as unknown as FactStore<JournalKind>;
    const { mismatches, disputes } = await projectKind(tx, context, store, ofKind);
    projected.mismatches.push(...mismatches);
    projected.disputes.push(...disputes);
  }
  return projected;
}

async function projectKind(
  tx: Tx,
  context: FactContext,
  store: FactStore<JournalKind>,
  lines: readonly ReadyLine[],
): Promise<ProjectedLines> {
  const firsts = new Map<string, ReadyLine>();
  for (const line of lines) if (!firsts.has(store.idOf(line))) firsts.set(store.idOf(line), line);
  const { ids, disputes = [] } = await store.insert(tx, context, [...firsts.values()]);
  const again = lines.filter((line) => !ids.has(store.idOf(line)) || firsts.get(store.idOf(line)) !== line);
  if (again.length === 0) return { mismatches: [], disputes: [...disputes] };

  const standing = await findStanding(tx, context, store, [...new Set(again.map((line) => store.idOf(line)))]);
  const repeats: ReadyLine[] = [];
  const mismatches: Mismatch[] = [];
  for (const line of again) {
    const first = standing.get(store.idOf(line));
    if (!first) throw new Error(`${line.kind} ${line.key} was neither inserted nor is it there`);
    if (first.contentHash === line.contentHash) repeats.push(line);
    else mismatches.push({ line, first, isHidden: false });
  }
  if (repeats.length === 0) return { mismatches, disputes: [...disputes] };
  const hidden = await otherContents(tx, context, repeats);
  for (const line of hidden) {
    const first = standing.get(store.idOf(line)) as Standing;
    mismatches.push({ line, first, isHidden: true });
  }
  const same = repeats.filter((line) => !hidden.has(line));
  if (same.length > 0) await store.repeated?.(tx, context, same);
  return { mismatches, disputes: [...disputes] };
}

type Standing = { contentHash: string; incarnation: string; seq: number };

async function findStanding(
  tx: Tx,
  { branchId }: FactContext,
  { table, idColumn, idType }: FactStore<JournalKind>,
  ids: readonly string[],
): Promise<Map<string, Standing>> {
  const rows = await tx.query<{ id: string; content_hash: string; incarnation: string; seq: string | number }>(
    `SELECT ${idColumn}::text AS id, content_hash, incarnation, seq FROM ${table} WHERE branch_id = $1 AND ${idColumn} = ANY ($2::${idType}[])`,
    [branchId, ids],
  );
  return new Map(
    rows.map((row) => [row.id, { contentHash: row.content_hash, incarnation: row.incarnation, seq: Number(row.seq) }]),
  );
}
