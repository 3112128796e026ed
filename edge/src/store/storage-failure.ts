import { EnvironmentFailure } from '@branchline/http/exit.js';

/**
 * What an error of SQLite means for the file. Extended result codes of better-sqlite3 (`SQLITE_IOERR_FSYNC`, …).
 * `full`: rolled back whole, the process goes on · `busy`: nothing was begun · `fatal`: the outcome is unknown.
 */
export type StorageFailure = 'full' | 'busy' | 'fatal';

const FATAL = [
  'SQLITE_IOERR',
  'SQLITE_CORRUPT',
  'SQLITE_NOTADB',
  'SQLITE_READONLY',
  'SQLITE_CANTOPEN',
  'SQLITE_NOMEM',
  'SQLITE_PROTOCOL',
];

export function failureOf(error: unknown): StorageFailure | null {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string' || !code.startsWith('SQLITE_')) return null;
  if (code.startsWith('SQLITE_FULL')) return 'full';
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return 'busy';
  return FATAL.some((fatal) => code.startsWith(fatal)) ? 'fatal' : null;
}

export function isStorageFailure(error: unknown): boolean {
  return failureOf(error) !== null;
}

/** Of a start: a file that is damaged or a disk that refuses is told in one line; anything else is a bug, as it came. */
export function openingFailure(file: string, error: unknown): unknown {
  if (!isStorageFailure(error)) return error;
  return new EnvironmentFailure(`${file} cannot be opened: ${(error as Error).message}`, { cause: error });
}
