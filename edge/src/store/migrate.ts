import { EnvironmentFailure } from '@branchline/http/exit.js';
import BetterSqlite3 from 'better-sqlite3';
import { DataSource } from 'typeorm/data-source/DataSource.js';
import { MIGRATIONS } from './migrations/list.js';

/**
 * Brings a file's schema forward with TypeORM, which keeps what was done in `migrations`. Loaded only when there is something
 * to do: it is 360 files, and most starts find the file as they left it.
 */
export async function migrate(file: string): Promise<void> {
  const source = new DataSource({
    type: 'better-sqlite3',
    database: file,
    driver: BetterSqlite3,
    migrations: [...MIGRATIONS],
    migrationsTransactionMode: 'each',
    prepareDatabase: (database: BetterSqlite3.Database) => {
      database.pragma('busy_timeout = 2000');
      database.pragma('foreign_keys = ON');
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
    },
  });
  try {
    await source.initialize();
    await source.runMigrations();
  } catch (error) {
    throw new EnvironmentFailure(`${file} cannot be brought to this release: ${(error as Error).message}`);
  } finally {
    if (source.isInitialized) await source.destroy();
  }
}
