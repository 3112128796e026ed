import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestDatabase, prepareTemplate } from './database.js';

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('a test database', () => {
  it('is empty, its own, and gone after the drop even while somebody is connected', async () => {
    const first = await createTestDatabase();
    const second = await createTestDatabase();
    await ask(first.url, 'CREATE TABLE only_here (n int)');
    expect(await ask(second.url, "SELECT to_regclass('only_here') AS found")).toEqual([{ found: null }]);
    const lingering = new pg.Client({ connectionString: first.url });
    lingering.on('error', () => undefined);
    await lingering.connect();
    await first.drop();
    await second.drop();
    await expect(ask(first.url, 'SELECT 1')).rejects.toThrow(/does not exist/);
  });

  it('is a copy of a template that is prepared once', async () => {
    let prepared = 0;
    const prepare = async (url: string) => {
      prepared += 1;
      await ask(url, 'CREATE TABLE migrated AS SELECT 7 AS n');
    };
    const names = await Promise.all([1, 2, 3].map(() => prepareTemplate('database_spec', prepare)));
    expect(new Set(names).size).toBe(1);
    expect(prepared).toBe(1);
    const copies = await Promise.all([1, 2, 3].map(() => createTestDatabase(names[0])));
    for (const copy of copies) expect(await ask(copy.url, 'SELECT n FROM migrated')).toEqual([{ n: 7 }]);
    await Promise.all(copies.map((copy) => copy.drop()));
  });
});
