import type BetterSqlite3 from 'better-sqlite3';

export type SqlValue = string | number | bigint | Buffer | null;

/** What a decision may do: look. Point reads by key; anything longer belongs on the read-only connection. */
export interface ReadTx {
  get<Row>(sql: string, ...params: SqlValue[]): Row | undefined;
  all<Row>(sql: string, ...params: SqlValue[]): Row[];
}

/** What appliers and local commands may do: write, inside the writer's transaction. Synchronous: nothing can interleave. */
export interface Tx extends ReadTx {
  run(sql: string, ...params: SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
}

/** How long the one who writes waits for another program. */
export const BUSY_MS_MAX = 2_000;

/** One connection with its prepared statements; SQL texts are constants of the program, so the cache is bounded by them. */
export class Connection implements Tx {
  private readonly statements = new Map<string, BetterSqlite3.Statement>();
  /** How often `run` was called: the same as before, nothing was written. */
  runs = 0;

  constructor(readonly database: BetterSqlite3.Database) {}

  get<Row>(sql: string, ...params: SqlValue[]): Row | undefined {
    return this.prepare(sql).get(...params) as Row | undefined;
  }

  all<Row>(sql: string, ...params: SqlValue[]): Row[] {
    return this.prepare(sql).all(...params) as Row[];
  }

  run(sql: string, ...params: SqlValue[]): { changes: number; lastInsertRowid: number | bigint } {
    this.runs += 1;
    return this.prepare(sql).run(...params);
  }

  private prepare(sql: string): BetterSqlite3.Statement {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }
}
