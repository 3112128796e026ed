import { problem } from '@branchline/http/problem.js';
import { CsvError, parse, type Info } from 'csv-parse';
import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import {
  BadRow,
  COLUMNS,
  productPartOf,
  readRow,
  type Cells,
  type Column,
  type ImportRow,
  type Known,
} from './import-row.js';

export type BadLine = { line: number; reason: string };

/** Bad lines told to the caller; all of them are counted. */
export const BAD_LINES_SHOWN_MAX = 1_000;

/** What is wrong with a file, line by line, bounded: a file of the wrong kind must not be answered with a book. */
export class BadLines {
  readonly shown: BadLine[] = [];
  count = 0;

  add(line: number, reason: string): void {
    this.count += 1;
    if (this.shown.length < BAD_LINES_SHOWN_MAX) this.shown.push({ line, reason });
  }
}

const BATCH_ROWS_MAX = 5_000;
const CHUNK_BYTES = 64 * 1024;
const CELL_CHARACTERS_MAX = 200_000;

type Parsed = { record: string[]; info: Info };

/**
 * The good rows of a file in batches, so that memory holds the file and one batch; what is wrong goes to `bad`. The header is line 1.
 *
 * @throws Problem `bad-rows` for a file that is no CSV in UTF-8 with these columns: there nothing can be skipped
 */
export async function* readImport(
  file: Buffer,
  known: Known,
  bad: BadLines,
  count: (rows: number) => void,
): AsyncGenerator<ImportRow[]> {
  if (!isUtf8(file)) throw badFile(1, 'the file is not UTF-8');
  let columns: Column[] | undefined;
  let batch: ImportRow[] = [];
  const seen = new SeenProducts();
  for await (const { record, info } of parsed(file)) {
    if (!columns) {
      columns = columnsOf(record);
      continue;
    }
    count(1);
    const line = lineOf(record, info);
    try {
      const row = readRow(line, cellsOf(columns, record), known);
      seen.admit(row);
      batch.push(row);
    } catch (error) {
      if (!(error instanceof BadRow)) throw error;
      bad.add(line, error.message);
    }
    if (batch.length === BATCH_ROWS_MAX) {
      yield batch;
      batch = [];
    }
  }
  if (!columns) throw badFile(1, 'the file is empty');
  if (batch.length > 0) yield batch;
}

export function columnsOfFile(file: Buffer): Column[] {
  const end = file.indexOf(0x0a);
  return headerText(file.subarray(0, end === -1 ? file.length : end));
}

/** The first line alone: a header has no line breaks in its cells, since its names have none. */
function headerText(line: Buffer): Column[] {
  const names = line
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .replace(/\r$/, '')
    .split(',');
  return columnsOf(names.map((name) => name.trim().replace(/^"(.*)"$/, '$1')));
}

async function* parsed(file: Buffer): AsyncGenerator<Parsed> {
  const parser = Readable.from(chunksOf(file)).pipe(
    parse({
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: CELL_CHARACTERS_MAX,
    }),
  );
  try {
    for await (const each of parser) yield each as Parsed;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = 'lines' in error && typeof error['lines'] === 'number' ? error['lines'] : 1;
    throw badFile(line, error.message);
  }
}

function* chunksOf(file: Buffer): Generator<Buffer> {
  for (let at = 0; at < file.length; at += CHUNK_BYTES) yield file.subarray(at, at + CHUNK_BYTES);
}

/** `info.lines` is where the record ends; a cell with line breaks began earlier. */
function lineOf(record: string[], info: Info): number {
  let breaks = 0;
  for (const cell of record) if (cell.includes('\n')) breaks += cell.split('\n').length - 1;
  return info.lines - breaks;
}

function columnsOf(header: string[]): Column[] {
  const names = header.map((name) => name.trim());
  const unknown = names.find((name) => !COLUMNS.some((column) => column === name));
  if (unknown !== undefined) throw badFile(1, `the column ${JSON.stringify(unknown.slice(0, 40))} is not known`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw badFile(1, `the column ${twice} is there twice`);
  if (!names.includes('product')) throw badFile(1, 'the column product is missing');
  return names as Column[];
}

function cellsOf(columns: readonly Column[], record: readonly string[]): Cells {
  if (record.length !== columns.length) throw new BadRow(`${record.length} cells, expected ${columns.length}`);
  return Object.fromEntries(columns.map((column, at) => [column, record[at]]));
}

/**
 * A product may stand on several lines only to have several prices. Two lines that say different things of it, or price it twice for one
 * zone and time, leave open which is meant.
 */
class SeenProducts {
  private readonly first = new Map<string, { line: number; part: string }>();
  private readonly prices = new Map<string, number>();

  /** @throws BadRow */
  admit(row: ImportRow): void {
    const part = productPartOf(row);
    const first = this.first.get(row.product);
    if (first && first.part !== part)
      throw new BadRow(`product ${row.product} is on line ${first.line} already, and differs`);
    const price = JSON.stringify([row.product, row.price_zone, row.given_from]);
    const priced = this.prices.get(price);
    if (priced !== undefined) throw new BadRow(`product ${row.product} is on line ${priced} already`);
    if (!first) this.first.set(row.product, { line: row.line, part });
    this.prices.set(price, row.line);
  }
}

function badFile(line: number, reason: string): Error {
  return badRows([{ line, reason }], 1);
}

export function badRows(shown: readonly BadLine[], count: number): Error {
  const first = shown[0];
  const more = count > 1 ? ` (and ${count - 1} more)` : '';
  return problem('bad-rows', first && `line ${first.line}: ${first.reason}${more}`, {
    errors: shown.map(({ line, reason }) => ({ path: `line.${line}`, code: 'bad-row', message: reason })),
  });
}
