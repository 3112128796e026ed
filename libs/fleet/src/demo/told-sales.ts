import { closeSync, fdatasyncSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import { z } from 'zod';
import { makeFolder } from '../chain/private-file.js';

const toldSchema = z.object({
  id: z.string(),
  receiptNumber: z.string(),
  businessDate: z.string(),
  totalMinor: z.number(),
});
export type ToldSale = z.output<typeof toldSchema>;

export interface ToldOnDate {
  baskets: number;
  totalMinor: number;
}

interface DateFile {
  ids: Set<string>;
  totalMinor: number;
  /** A kill has cut off its last line. */
  isTorn: boolean;
}

const DATES_KEPT = 7;
const DATE_FILE = /^\d{4}-\d{2}-\d{2}\.jsonl$/;

/**
 * What the tills of one branch were told is done: a file for each business date, a line for each sale, on disk before the sale is
 * counted. Nobody but the tills writes it, so it can be held against what edge and head office say.
 */
export class ToldSales {
  private readonly dates = new Map<string, DateFile>();

  private constructor(private readonly folder: string) {}

  /** @throws EnvironmentFailure */
  static open(folder: string): ToldSales {
    makeFolder(folder, 0o700);
    return new ToldSales(folder);
  }

  /** Once, however often the till was told. */
  record({ id, receiptNumber, businessDate, totalMinor }: ToldSale): void {
    const file = this.ofDate(businessDate);
    if (file.ids.has(id)) return;
    const line = `${JSON.stringify({ id, receiptNumber, businessDate, totalMinor })}\n`;
    append(this.pathOf(businessDate), file.isTorn ? `\n${line}` : line);
    file.isTorn = false;
    file.ids.add(id);
    file.totalMinor += totalMinor;
    if (file.ids.size === 1) this.forgetOldDates();
  }

  on(businessDate: string): ToldOnDate {
    const { ids, totalMinor } = this.ofDate(businessDate);
    return { baskets: ids.size, totalMinor };
  }

  private ofDate(businessDate: string): DateFile {
    const known = this.dates.get(businessDate);
    if (known) return known;
    const text = textOf(this.pathOf(businessDate));
    const told = toldIn(text);
    const file = {
      ids: new Set(told.map(({ id }) => id)),
      totalMinor: told.reduce((sum, { totalMinor }) => sum + totalMinor, 0),
      isTorn: text !== '' && !text.endsWith('\n'),
    };
    this.dates.set(businessDate, file);
    return file;
  }

  private pathOf(businessDate: string): string {
    return join(this.folder, `${businessDate}.jsonl`);
  }

  private forgetOldDates(): void {
    for (const name of datesIn(this.folder).slice(0, -DATES_KEPT)) {
      rmSync(join(this.folder, name));
      this.dates.delete(name.slice(0, 'YYYY-MM-DD'.length));
    }
  }
}

/** All that is kept of one branch. */
export function readToldSales(folder: string): ToldSale[] {
  return datesIn(folder).flatMap((name) => toldIn(textOf(join(folder, name))));
}

function datesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => DATE_FILE.test(name))
    .sort();
}

/** A line that was cut off was never counted. */
function toldIn(text: string): ToldSale[] {
  return text.split('\n').flatMap((line) => {
    const told = toldSchema.safeParse(jsonOrNull(line));
    return told.success ? [told.data] : [];
  });
}

function append(path: string, line: string): void {
  try {
    const handle = openSync(path, 'a', 0o600);
    try {
      writeFileSync(handle, line);
      fdatasyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw new EnvironmentFailure(`cannot write ${path}: ${(error as Error).message}`);
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new EnvironmentFailure(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function jsonOrNull(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
