import { canonicalJson } from '@branchline/replication/canonical-json.js';
import type { Tx } from '../database/unit-of-work.js';
import { expectedFact, type ExpectedFact, type FactKind, type Values } from '../verify/expected-facts.js';
import { FACT_TABLES, storedFacts, type StoredFact, type StoredValues } from '../verify/stored-facts.js';
import type { FactContext } from './fact-context.js';
import type { ReadyLine } from './read-line.js';

/** A fact may be 256 KiB of rows, and a push may name thousands: so many are read at once. */
const FACTS_AT_ONCE_MAX = 100;

const AMOUNTS = ['amount_minor', 'discount_minor', 'net_minor', 'tax_minor', 'total_minor'];

type Told = { head: readonly string[]; parts: Readonly<Record<string, readonly string[]>> };

/**
 * What every telling of a fact has in common, wherever it was told: what was sold, to whom and for what. Number, date, shift
 * and flags are the telling box's own. Of a Z and a seal the hash itself was checked; of an edit the values only, since
 * what it was written over is as the box saw it.
 */
const COMMON: Readonly<Partial<Record<FactKind, Told>>> = {
  sale: {
    head: [
      'till',
      'customer_id',
      'currency',
      'lines',
      'units_milli',
      ...AMOUNTS,
      'cash_rounding_minor',
      'change_minor',
    ],
    parts: {
      sale_line: ['line_no', 'product', 'quantity_milli', ...AMOUNTS],
      sale_tender: ['tender_no', 'type', 'amount_minor', 'cash_back_minor'],
    },
  },
  'shift-open': { head: ['till', 'drawer', 'operator', 'float_minor', 'currency'], parts: {} },
  'device-enrol': { head: ['name', 'till', 'token_hash'], parts: {} },
  'customer-edit': { head: ['customer_id', 'op', 'changes'], parts: {} },
};

/**
 * Of lines that tell a standing fact again, under the hash of its content, those that tell something else. A line does
 * not show what was hashed, and what is nobody's to recompute is compared with what stands.
 * @param lines of one kind
 */
export async function otherContents(
  tx: Tx,
  { branchId, timeZone }: Pick<FactContext, 'branchId' | 'timeZone'>,
  lines: readonly ReadyLine[],
): Promise<Set<ReadyLine>> {
  const others = new Set<ReadyLine>();
  const kind = lines[0]?.kind as FactKind;
  if (COMMON[kind] === undefined) return others;
  for (let at = 0; at < lines.length; at += FACTS_AT_ONCE_MAX) {
    const facts = lines.slice(at, at + FACTS_AT_ONCE_MAX).map((line) => {
      return { line, fact: expectedFact(line, timeZone) as ExpectedFact };
    });
    const stored = await storedFacts(tx, branchId, kind, [...new Set(facts.map(({ fact }) => fact.id))]);
    for (const { line, fact } of facts) {
      const row = stored.get(fact.id);
      if (row === undefined) throw new Error(`${line.kind} ${line.key} stands no more`);
      if (!tellsTheSame(kind, fact, row)) others.add(line);
    }
  }
  return others;
}

/** Of a line and a row of one content hash. */
export function tellsTheSame(kind: FactKind, fact: ExpectedFact, row: StoredFact): boolean {
  const common = COMMON[kind];
  if (common === undefined) return true;
  const { columns, parts } = FACT_TABLES[kind];
  if (!areSame(common.head, fact.head, columns, row.head)) return false;
  return Object.entries(common.parts).every(([part, names]) => {
    const [told, kept] = [fact.parts[part] ?? [], row.parts[part] ?? []];
    const partColumns = parts.find(({ table }) => table === part)?.columns ?? [];
    return (
      told.length === kept.length &&
      told.every((values, at) => areSame(names, values, partColumns, kept[at] as StoredValues))
    );
  });
}

function areSame(names: readonly string[], told: Values, columns: readonly string[], kept: StoredValues): boolean {
  return names.every((name) => {
    const [one, other] = [told[name], kept[columns.indexOf(name)]];
    return one === other || canonicalJson(commonOf(one)) === canonicalJson(commonOf(other));
  });
}

/** Of an edit's changes their values. */
function commonOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(Object.entries(value).map(([field, change]) => [field, valueOf(change)]));
}

function valueOf(change: unknown): unknown {
  return typeof change === 'object' && change !== null && 'value' in change ? change.value : null;
}
