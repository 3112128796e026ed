import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { moduleOf } from './install-peer.js';

/** As much of TinyBase and of `ws` as is used; their types are not installed. */
export interface MergeableStore {
  transaction(work: () => void): void;
  setRow(table: string, row: string, cells: Record<string, string>): void;
  getRowCount(table: string): number;
  getRowIds(table: string): string[];
  getCell(table: string, row: string, cell: string): string;
}

export interface Persister {
  load(): Promise<unknown>;
  save(): Promise<unknown>;
  startAutoSave(): Promise<unknown>;
  /** 0: neither loading nor saving. */
  getStatus(): number;
  destroy(): Promise<unknown>;
}

export interface WebSocketLike {
  on(event: 'close' | 'error', listener: () => void): void;
  terminate(): void;
}

type StoreModule = { createMergeableStore(): MergeableStore };
type PersisterModule = {
  createBetterSqlite3Persister(store: MergeableStore, db: Database.Database, table: string): Persister;
};
type ClientModule = {
  createWsSynchronizer(
    store: MergeableStore,
    socket: WebSocketLike,
    requestTimeoutS: number,
  ): Promise<{ startSync(): Promise<unknown>; destroy(): Promise<unknown> }>;
};
type ServerModule = {
  createWsServer(
    sockets: unknown,
    persisterOf: (path: string) => Persister,
    onIgnoredError: undefined,
    requestTimeoutS: number,
  ): { destroy(): Promise<unknown> };
};
type SocketModule = {
  WebSocket: new (url: string) => WebSocketLike;
  WebSocketServer: new (options: { server: unknown }) => unknown;
};

export const SALES_TABLE = 'sales';
export const DOCUMENT_CELL = 'document';
/**
 * Of one store. What is new goes over in one message, and TinyBase sends none over 16 MiB: a hundred thousand sales in one
 * store would never go. Its stores are small, many, and each a path of the server.
 */
export const SALES_A_STORE = 2_000;

export const importStore = (modules: string) => importOf<StoreModule>(modules, 'tinybase/index.js');
export const importClient = (modules: string) =>
  importOf<ClientModule>(modules, 'tinybase/synchronizers/synchronizer-ws-client/index.js');
export const importServer = (modules: string) =>
  importOf<ServerModule>(modules, 'tinybase/synchronizers/synchronizer-ws-server/index.js');
export const importSockets = (modules: string) => importOf<SocketModule>(modules, 'ws/wrapper.mjs');

/** A SQLite file that commits with an fsync. */
export function openFile(data: string): Database.Database {
  mkdirSync(data, { recursive: true });
  const database = new Database(join(data, 'tinybase.db'));
  database.pragma('synchronous = FULL');
  return database;
}

/** Names of the stores that were kept in it. */
export function storesIn(file: Database.Database): string[] {
  const names = file.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'store%'`).pluck();
  return names.all() as string[];
}

export async function importPersister(modules: string): Promise<PersisterModule> {
  return importOf<PersisterModule>(modules, 'tinybase/persisters/persister-better-sqlite3/index.js');
}

async function importOf<T>(modules: string, path: string): Promise<T> {
  return (await import(moduleOf(modules, path))) as T;
}
