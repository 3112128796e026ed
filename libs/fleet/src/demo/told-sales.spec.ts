import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readToldSales, type ToldSale, ToldSales } from './told-sales.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'branchline-told-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const sale = (id: string, totalMinor: number, businessDate = '2026-11-21'): ToldSale => {
  return { id, receiptNumber: `R-${id}`, businessDate, totalMinor };
};

describe('what tills were told', () => {
  it('is counted once however often it is told, by business date, also after a restart', () => {
    const told = ToldSales.open(folder);
    for (const one of [sale('a', 500), sale('b', 250), sale('a', 500), sale('c', 90, '2026-11-22')]) told.record(one);
    for (const each of [told, ToldSales.open(folder)]) {
      expect(each.on('2026-11-21')).toEqual({ baskets: 2, totalMinor: 750 });
      expect(each.on('2026-11-22')).toEqual({ baskets: 1, totalMinor: 90 });
      expect(each.on('2026-11-23')).toEqual({ baskets: 0, totalMinor: 0 });
    }
    expect(readToldSales(folder)).toEqual([sale('a', 500), sale('b', 250), sale('c', 90, '2026-11-22')]);
  });

  it('is on disk before it is counted', () => {
    const told = ToldSales.open(folder);
    told.record(sale('a', 500));
    const file = join(folder, '2026-11-21.jsonl');
    expect(readFileSync(file, 'utf8')).toBe(`${JSON.stringify(sale('a', 500))}\n`);
    rmSync(folder, { recursive: true });
    expect(() => told.record(sale('b', 250))).toThrow(/cannot write/);
    expect(told.on('2026-11-21')).toEqual({ baskets: 1, totalMinor: 500 });
    ToldSales.open(folder);
  });

  it('is not what a kill has cut off, and goes on behind it', () => {
    ToldSales.open(folder).record(sale('a', 500));
    appendFileSync(join(folder, '2026-11-21.jsonl'), JSON.stringify(sale('b', 250)).slice(0, -9));
    const told = ToldSales.open(folder);
    expect(told.on('2026-11-21')).toEqual({ baskets: 1, totalMinor: 500 });
    told.record(sale('b', 250));
    expect(readToldSales(folder)).toEqual([sale('a', 500), sale('b', 250)]);
  });

  it('is kept for a week', () => {
    const told = ToldSales.open(folder);
    for (let day = 10; day < 20; day += 1) told.record(sale(`a${day}`, day, `2026-11-${day}`));
    expect(readdirSync(folder).sort()[0]).toBe('2026-11-13.jsonl');
    expect(readdirSync(folder)).toHaveLength(7);
  });
});
