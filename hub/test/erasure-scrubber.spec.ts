import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { createTestDatabase, type TestDatabase } from '@branchline/fleet/testing/database.js';
import { v7 } from 'uuid';
import { ErasureScrubber } from '../src/customers/erasure-scrubber.js';
import { openDataSource } from '../src/database/database.js';
import { migrate } from '../src/database/migrate.js';
import { Database } from '../src/database/unit-of-work.js';

const TENANT = v7();
let testDatabase: TestDatabase;
let database: Database;

beforeAll(async () => {
  // That it gave way is told the operator.
  Logger.overrideLogger(false);
  testDatabase = await createTestDatabase();
  const dataSource = await openDataSource(testDatabase.url, 6);
  await migrate(dataSource);
  database = new Database(dataSource, Math.random);
  await database.transaction(TENANT, async (tx) => {
    const sql = `INSERT INTO tenant (tenant_id, code, name, currency, created_at) VALUES ($1, 'T', 'T', 'ZAR', now())`;
    await tx.execute(sql, [TENANT]);
    await tx.execute(`INSERT INTO person_key (tenant_id, person, erased_at) VALUES ($1, $2, now())`, [TENANT, v7()]);
  });
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const isDue = async (): Promise<boolean> =>
  (await database.transaction(TENANT, (tx) => tx.query('SELECT FROM person_key WHERE scrubbed_at IS NULL'))).length > 0;

it('a scrub gives way to who reads the keys for hours, so that pushes do not stand behind it', async () => {
  let leave: () => void = () => undefined;
  let isReading = false;
  let reading: Promise<unknown> = Promise.resolve();
  const asOwner = database.asOwner.bind(database);
  // As a dump of the database that began right after the scrub had looked who is open.
  database.asOwner = async (...asked: Parameters<typeof asOwner>) => {
    if (!asked[0].startsWith('VACUUM') || isReading) return (await asOwner(...asked)) as never;
    isReading = true;
    await new Promise<void>((begun) => {
      reading = database.transaction(TENANT, async (tx) => {
        await tx.query('SELECT FROM person_key LIMIT 1');
        begun();
        await new Promise<void>((end) => (leave = end));
      });
    });
    return (await asOwner(...asked)) as never;
  };
  const scrubber = new ErasureScrubber(database, systemClock);
  const swept = scrubber.sweep();
  while (!isReading) await database.transaction(TENANT, (tx) => tx.query('SELECT 1'));
  try {
    let ended = false;
    void swept.then(() => (ended = true));
    // What a push asks that tells of a person, again and again while the scrub is under way.
    for (let asked = 0; asked < 10_000 && !ended; asked += 1)
      await database.transaction(TENANT, (tx) => tx.query('SELECT FROM person_key LIMIT 1'), { statementMsMax: 5_000 });
    await swept;
    expect(await isDue()).toBe(true);
  } finally {
    leave();
    await reading;
    await swept;
  }
  await scrubber.sweep();
  expect(await isDue()).toBe(false);
});
