import { EnvironmentFailure } from '@branchline/http/exit.js';
import pg from 'pg';
import { DataSource, DefaultNamingStrategy } from 'typeorm';
import { BranchRow } from '../branches/branch.row.js';
import { MIGRATIONS } from './migrations.js';

/** `createdAt` is `created_at` in the database. Constraints are named by hand in the migrations, by the rule they stand for. */
class SnakeCase extends DefaultNamingStrategy {
  override columnName(propertyName: string, customName: string | undefined, prefixes: string[]): string {
    return [...prefixes, customName ?? propertyName].map(snakeCase).join('_');
  }

  override tableName(className: string, customName: string | undefined): string {
    return customName ?? snakeCase(className.replace(/Row$/, ''));
  }
}

function snakeCase(name: string): string {
  return name.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
}

const INT8 = 20;
const DATE = 1082;

/** pg gives int8 as text and a date as local midnight, which is another day west of Greenwich. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
    if (oid === INT8) return safeInteger;
    if (oid === DATE) return (text) => text;
    return pg.types.getTypeParser(oid, format) as (text: string) => unknown;
  },
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new Error(`${text} of the database cannot be kept exactly`);
  return value;
}

export const POOL_CONNECTIONS_MAX = 16;
const CONNECT_MS_MAX = 10_000;

/** @throws EnvironmentFailure when the database cannot be reached or is no PostgreSQL from 15 on */
export async function openDataSource(url: string, connectionsMax = POOL_CONNECTIONS_MAX): Promise<DataSource> {
  const dataSource = new DataSource({
    type: 'postgres',
    url,
    applicationName: 'branchline-hub',
    poolSize: connectionsMax,
    connectTimeoutMS: CONNECT_MS_MAX,
    // Statements sent together go out together: a small push is 25 of them, and waited 25 times.
    extra: { types, pipeline: true },
    namingStrategy: new SnakeCase(),
    entities: [BranchRow],
    migrations: MIGRATIONS,
    migrationsTableName: 'migration',
    installExtensions: false,
    logging: false,
  });
  try {
    await dataSource.initialize();
  } catch (error) {
    throw new EnvironmentFailure(`the database cannot be opened: ${reasonOf(error)}`, { cause: error });
  }
  return dataSource;
}

/** Of ECONNREFUSED on several addresses Node makes an AggregateError without a message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
