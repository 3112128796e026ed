import { createTestDatabase } from '@branchline/fleet/testing/database.js';
import type { DataSource, MigrationInterface } from 'typeorm';
import { openDataSource } from '../src/database/database.js';
import { migrate } from '../src/database/migrate.js';
import { MIGRATIONS } from '../src/database/migrations.js';

/** A database of before a migration, which the next `migrate` brings, with all that follow, to this version. */
export async function withOlderDatabase(
  migration: new () => MigrationInterface,
  work: (dataSource: DataSource) => Promise<void>,
): Promise<void> {
  const testDatabase = await createTestDatabase();
  const dataSource = await openDataSource(testDatabase.url, 2);
  const later = dataSource.migrations.splice(MIGRATIONS.indexOf(migration));
  try {
    await migrate(dataSource);
    dataSource.migrations.push(...later);
    await work(dataSource);
  } finally {
    await dataSource.destroy();
    await testDatabase.drop();
  }
}
