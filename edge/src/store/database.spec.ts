import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import BetterSqlite3 from 'better-sqlite3';
import { v7 } from 'uuid';
import { readHead } from './journal.js';
import { BY_NOBODY, enrolDevice, storeFixture, type StoreFixture } from './testing/store-fixture.js';

let fixture: StoreFixture;
let file: string;

beforeEach(async () => {
  fixture = storeFixture();
  file = join(fixture.folder, 'edge.db');
  const store = await fixture.open();
  await store.writer.execute(enrolDevice, { id: v7(), name: 'before' }, BY_NOBODY);
  await store.close();
});
afterEach(() => fixture.remove());

/** What the release after this one did to the file before it was taken off the box again. */
function changedByTheNext(...statements: string[]): void {
  const database = new BetterSqlite3(file);
  for (const sql of statements) database.exec(sql);
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
}

const EXPANDED = [
  `INSERT INTO migrations (timestamp, name) VALUES (9000000000000, 'Next9000000000000')`,
  `CREATE TABLE loyalty_balance (customer TEXT PRIMARY KEY, points INTEGER NOT NULL)`,
  `INSERT INTO loyalty_balance VALUES ('C1', 7)`,
  `ALTER TABLE device ADD COLUMN model TEXT NOT NULL DEFAULT 'any'`,
  `ALTER TABLE journal_head ADD COLUMN written_by TEXT`,
];

describe('a file that a later release has expanded', () => {
  it('is opened and written by this one, and what the later one added stays', async () => {
    changedByTheNext(...EXPANDED);
    const store = await fixture.open();
    await store.writer.execute(enrolDevice, { id: v7(), name: 'after' }, BY_NOBODY);
    expect(readHead(store.reads)?.seq).toBe(3);
    expect(store.reads.all('SELECT name, model FROM device ORDER BY name')).toEqual([
      { name: 'after', model: 'any' },
      { name: 'before', model: 'any' },
    ]);
    expect(store.reads.all('SELECT * FROM loyalty_balance')).toEqual([{ customer: 'C1', points: 7 }]);
    await store.close();
  });

  it('is left alone once it says that only later ones can read it, and one line says why', async () => {
    changedByTheNext(...EXPANDED, 'UPDATE file_format SET min_reader = 2');
    const before = readFileSync(file);
    const refused = await fixture.open().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(EnvironmentFailure);
    expect((refused as Error).message).toBe(`${file} was written by a newer release (format 2, this one reads 1)`);
    expect(readFileSync(file).equals(before)).toBe(true);
    changedByTheNext('UPDATE file_format SET min_reader = 1');
    await (await fixture.open()).close();
  });
});
