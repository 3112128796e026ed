import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { BadInput } from '@branchline/http/exit.js';
import { CsvError, parse } from 'csv-parse';

/** `line N: reason`; the header is line 1. */
export interface BadRow {
  line: number;
  reason: string;
}

export interface CsvRow {
  /** The line of the file on which the row begins, as an editor counts. */
  line: number;
  cells: string[];
}

const RECORD_BYTES_MAX = 65_536;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

interface Parsed {
  record: string[];
  info: { lines: number };
}

/**
 * The rows of a CSV file, packed or not as its content says, the header first, one at a time. Blank lines are passed over.
 * @throws BadInput when the file cannot be read; CsvError (see `asBadRow`) when from some line on it is no CSV any more.
 */
export async function* readCsvRows(file: string): AsyncGenerator<CsvRow> {
  const packed = await isGzip(file);
  const parser = parse({
    bom: true,
    info: true,
    trim: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: RECORD_BYTES_MAX,
  });
  const source = createReadStream(file);
  // The parser is destroyed with the error of whatever stands before it, so that the loop below throws it.
  const onEnd = () => undefined;
  if (packed) pipeline(source, createGunzip(), parser, onEnd);
  else pipeline(source, parser, onEnd);
  try {
    for await (const { record, info } of parser as AsyncIterable<Parsed>) {
      yield { line: info.lines - record.reduce((count, cell) => count + newlinesIn(cell), 0), cells: record };
    }
  } catch (error) {
    if (error instanceof CsvError) throw error;
    throw new BadInput(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/** What the parser says about the line from which on the file is no CSV; null for any other error. */
export function asBadRow(error: unknown): BadRow | null {
  if (!(error instanceof CsvError)) return null;
  const line = Number((error as CsvError & { lines?: number }).lines ?? 1);
  const reason =
    error.code === 'CSV_MAX_RECORD_SIZE'
      ? `a row of more than ${RECORD_BYTES_MAX} bytes`
      : 'the quotation marks do not match';
  return { line, reason };
}

/**
 * Where each of the columns stands. Their order is the file's own; one that is missing, unknown or there twice makes all of them wrong.
 */
export function columnIndexes<Name extends string>(
  header: string[],
  names: readonly Name[],
): Record<Name, number> | null {
  if (header.length !== names.length || names.some((name) => !header.includes(name))) return null;
  return Object.fromEntries(names.map((name) => [name, header.indexOf(name)])) as Record<Name, number>;
}

export function wrongHeader(header: string[], names: readonly string[]): BadRow {
  return { line: 1, reason: `wrong columns: expected ${names.join(',')}, found ${header.join(',').slice(0, 200)}` };
}

async function isGzip(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'r');
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      return bytesRead === 2 && buffer.equals(GZIP_MAGIC);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new BadInput(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function newlinesIn(cell: string): number {
  let count = 0;
  for (let at = cell.indexOf('\n'); at >= 0; at = cell.indexOf('\n', at + 1)) count += 1;
  return count;
}
