/**
 * Columns of rows to be stored, as PostgreSQL reads arrays in binary: `INSERT … SELECT unnest($1::uuid[]), unnest($2::int8[])`.
 * To read a row of 13 columns so costs it 1.4 µs, as an object of `jsonb_to_recordset` 8.8 µs: more than to store it. And
 * `unnest` stands in the select list: in FROM all rows are first put aside, 0.7 µs a row. Whole numbers go as int8 and are
 * cast by the statement, so that one that does not fit is PostgreSQL's to refuse.
 */
const OID = { bool: 16, bytea: 17, int8: 20, text: 25, uuid: 2950 } as const;

const HEAD_BYTES = 20;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
const TWO_TO_32 = 2 ** 32;

/** Of safe integers. Written through a view: what Buffer checks of each number took longer than all the rest. */
export function int8s(values: readonly number[]): Buffer {
  const column = startColumn(OID.int8, values.length, values.length * (LENGTH_BYTES + 8));
  const view = new DataView(column.buffer, column.byteOffset, column.length);
  let at = HEAD_BYTES;
  for (const value of values) {
    const high = Math.floor(value / TWO_TO_32);
    view.setInt32(at, 8);
    view.setInt32(at + 4, high);
    view.setUint32(at + 8, value - high * TWO_TO_32);
    at += LENGTH_BYTES + 8;
  }
  return column;
}

export function bools(values: readonly boolean[]): Buffer {
  const column = startColumn(OID.bool, values.length, values.length * (LENGTH_BYTES + 1));
  let at = HEAD_BYTES;
  for (const value of values) {
    at = column.writeInt32BE(1, at);
    at = column.writeUInt8(value ? 1 : 0, at);
  }
  return column;
}

/** In the form with hyphens. Lines of one sale follow each other: the same id again is copied, not read again. */
export function uuids(values: readonly (string | null)[]): Buffer {
  const given = values.reduce((count, value) => (value === null ? count : count + 1), 0);
  const column = startColumn(OID.uuid, values.length, values.length * LENGTH_BYTES + given * 16);
  let at = HEAD_BYTES;
  let last: string | null = null;
  let lastAt = 0;
  for (const value of values) {
    if (value === null) {
      at = column.writeInt32BE(NULL_LENGTH, at);
      continue;
    }
    at = column.writeInt32BE(16, at);
    if (value === last) column.copyWithin(at, lastAt, lastAt + 16);
    else if (column.write(value.replaceAll('-', ''), at, 'hex') !== 16) throw new Error(`${value} is not a UUID`);
    last = value;
    lastAt = at;
    at += 16;
  }
  return column;
}

/** Of text that can be stored: see `storable.ts`. */
export function texts(values: readonly (string | null | undefined)[]): Buffer {
  let bytes = 0;
  for (const value of values) bytes += LENGTH_BYTES + Buffer.byteLength(value ?? '');
  const column = startColumn(OID.text, values.length, bytes);
  let at = HEAD_BYTES;
  for (const value of values) {
    const length = typeof value === 'string' ? column.write(value, at + LENGTH_BYTES) : NULL_LENGTH;
    column.writeInt32BE(length, at);
    at += LENGTH_BYTES + Math.max(length, 0);
  }
  return column;
}

export function byteas(values: readonly Buffer[]): Buffer {
  const bytes = values.reduce((sum, value) => sum + LENGTH_BYTES + value.length, 0);
  const column = startColumn(OID.bytea, values.length, bytes);
  let at = HEAD_BYTES;
  for (const value of values) {
    at = column.writeInt32BE(value.length, at);
    at += value.copy(column, at);
  }
  return column;
}

/** How many rows columns are of, all of them as many. */
export function rowsIn(columns: readonly Buffer[]): number {
  return columns[0]?.readInt32BE(HEAD_BYTES - 2 * LENGTH_BYTES) ?? 0;
}

/** Rows in their order, so many at a time. */
export function* slicesOf<Row>(rows: readonly Row[], rowsMax: number): Generator<readonly Row[]> {
  for (let from = 0; from < rows.length; from += rowsMax) yield rows.slice(from, from + rowsMax);
}

/** One dimension, counted from 1. The flag for nulls only says that there may be some. */
function startColumn(oid: number, length: number, bytes: number): Buffer {
  const column = Buffer.allocUnsafe(HEAD_BYTES + bytes);
  column.writeInt32BE(1, 0);
  column.writeInt32BE(1, 4);
  column.writeInt32BE(oid, 8);
  column.writeInt32BE(length, 12);
  column.writeInt32BE(1, 16);
  return column;
}
