import type { Tx } from '../database/unit-of-work.js';
import type { FactKind } from './expected-facts.js';
import { toldSeq } from './told-seq.js';

/** Where the facts of a kind stand, with the columns that a line decides. `@`: an instant, told in epoch milliseconds. */
type FactTable = {
  table: string;
  id: string;
  idType: 'uuid' | 'date';
  columns: readonly string[];
  parts: readonly { table: string; parent: string; columns: readonly string[]; order: string }[];
};

const AMOUNTS = ['amount_minor', 'discount_minor', 'net_minor', 'tax_minor', 'total_minor'];

/** Columns in the order of `expected-facts.ts`. */
export const FACT_TABLES: Readonly<Record<FactKind, FactTable>> = {
  sale: {
    table: 'sale',
    id: 'id',
    idType: 'uuid',
    columns: [
      ...['receipt_number', 'device_reference', 'epoch', 'till', 'operator', 'shift_id', 'business_date', 'hour'],
      ...['@occurred_at', '@sold_at', 'source', 'customer_id', 'currency', 'lines', 'units_milli', ...AMOUNTS],
      ...['cash_rounding_minor', 'change_minor', 'flags'],
    ],
    parts: [
      {
        table: 'sale_line',
        parent: 'sale_id',
        columns: [
          ...['line_no', 'product', 'name', 'quantity_milli', 'price_minor', 'price_per', 'price_source'],
          ...[...AMOUNTS, 'tax_code', 'tax_rate_ppm'],
        ],
        order: 'line_no',
      },
      {
        table: 'sale_modifier',
        parent: 'sale_id',
        columns: ['line_no', 'modifier_no', 'kind', 'informational', 'amount_minor'],
        order: 'line_no, informational, modifier_no',
      },
      {
        table: 'sale_tax',
        parent: 'sale_id',
        columns: ['line_no', 'tax_no', 'code', 'rate_ppm', 'amount_minor'],
        order: 'line_no, tax_no',
      },
      {
        table: 'sale_tender',
        parent: 'sale_id',
        columns: ['tender_no', 'type', 'amount_minor', 'cash_back_minor'],
        order: 'tender_no',
      },
    ],
  },
  'shift-open': {
    table: 'shift',
    id: 'id',
    idType: 'uuid',
    columns: ['till', 'drawer', 'operator', 'float_minor', 'currency', '@opened_at', 'business_date'],
    parts: [],
  },
  'shift-close': {
    table: 'shift_close',
    id: 'id',
    idType: 'uuid',
    columns: [
      ...['z_number', 'till', 'drawer', 'operator', '@closed_at', 'business_date', 'currency'],
      ...['grand_total_minor', 'z'],
    ],
    parts: [
      {
        table: 'shift_tender',
        parent: 'shift_id',
        columns: ['tender_no', 'type', 'currency', 'expected_minor', 'declared_minor', 'difference_minor'],
        order: 'tender_no',
      },
    ],
  },
  'day-seal': {
    table: 'day_seal',
    id: 'business_date',
    idType: 'date',
    columns: ['operator', '@sealed_at', 'figures', 'shifts', 'tills_holding'],
    parts: [],
  },
  'device-enrol': { table: 'device', id: 'id', idType: 'uuid', columns: ['name', 'till', 'token_hash'], parts: [] },
  'customer-edit': {
    table: 'customer_edit',
    id: 'id',
    idType: 'uuid',
    columns: ['customer_id', 'op', 'box', 'hlc', 'changes'],
    parts: [],
  },
};

/** Of a row, in the order of the columns above. */
export type StoredValues = readonly unknown[];

export type StoredFact = {
  id: string;
  incarnation: string;
  seq: number;
  contentHash: string;
  head: StoredValues;
  parts: Record<string, StoredValues[]>;
};

/** The rows of these facts, parts and all, in one statement. */
export async function storedFacts(
  tx: Tx,
  branchId: string,
  kind: FactKind,
  ids: readonly string[],
): Promise<Map<string, StoredFact>> {
  const rows = await tx.query<StoredFact>(READ[kind], [branchId, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * JSON and not columns: instants, dates and numbers then read alike in rows and parts, and parts come with their fact. A
 * list and not an object: names of columns were half of all that was written, sent and read.
 */
// No bigint of an instant: PostgreSQL knows one without end, which is to be named and not to end the verification.
const listOf = (alias: string, columns: readonly string[]): string => {
  const values = columns.map((column) =>
    column.startsWith('@') ? `round(extract(epoch FROM ${alias}.${column.slice(1)}) * 1000)` : `${alias}.${column}`,
  );
  return `json_build_array(${values.join(', ')})`;
};

const readStatement = ({ table, id, idType, columns, parts }: FactTable): string => {
  const listed = parts.map(({ table: part, parent, columns: partColumns, order }) => {
    const ordered = order
      .split(', ')
      .map((column) => `p.${column}`)
      .join(', ');
    return `'${part}', (SELECT coalesce(json_agg(${listOf('p', partColumns)} ORDER BY ${ordered}), '[]') FROM ${part} p
      WHERE p.branch_id = f.branch_id AND p.${parent} = f.${id})`;
  });
  return `SELECT f.${id}::text AS id, f.incarnation, ${toldSeq('f.seq')} AS seq, f.content_hash AS "contentHash", ${listOf('f', columns)} AS head,
    json_build_object(${listed.join(', ')}) AS parts
  FROM ${table} f WHERE f.branch_id = $1 AND f.${id} = ANY ($2::${idType}[])`;
};

const READ = Object.fromEntries(
  Object.entries(FACT_TABLES).map(([kind, table]) => [kind, readStatement(table)]),
) as Record<FactKind, string>;
