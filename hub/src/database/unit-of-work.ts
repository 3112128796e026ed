import { setTimeout as pause } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { toOtherWork, type GiveWay } from './give-way.js';
import { Notifications, type ListenOptions } from './notifications.js';

export type TransactionOptions = {
  isolation?: 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';
  /** Longest time one statement may take. */
  statementMsMax?: number;
};

/** Given to every listener after a commit that announced it. */
export type Announcement = { tenantId: string; topic: string };

const STATEMENT_MS_MAX = 30_000;
const IDLE_IN_TRANSACTION_MS_MAX = 30_000;
const TRIES_MAX = 6;
const RETRY_DELAY_MS_FIRST = 10;
const LOCK_LOOK_MS = 50;
/** serialization_failure, deadlock_detected: the whole use case may simply be run again. */
const PASSING_SQLSTATES = new Set(['40001', '40P01']);

/** A statement that each connection parses and plans once. The name is its own: one name, one text. */
export type PreparedStatement = { name: string; text: string };

/** `send` is called once, and sends one statement at once. */
export type StatementOfRows<T> = { rows: number; send(): Promise<T> };

/** About 5 ms of PostgreSQL: as long as a statement may be in somebody's way. */
const ROWS_IN_ONE_GO_MAX = 500;

/**
 * One transaction of one tenant. Handed from hand to hand; nothing of a tenant is reached without it. Statements run in the
 * order in which they are asked for, and none waits for the answer to the one before: see `together`.
 */
export class Tx {
  /** Topics told to the listeners once this is committed: `tx.announced.add('feed')`. */
  readonly announced = new Set<string>();
  private isOver = false;

  constructor(
    readonly tenantId: string,
    private readonly runner: QueryRunner,
    private readonly client: PoolClient,
    private readonly giveWay: GiveWay,
  ) {}

  /** For TypeORM's reads by row class. */
  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** @returns the rows; column names as the statement gives them */
  async query<T>(sql: string, params: unknown[] = []): Promise<T[]> {
    const result = await this.connection().query(sql, params);
    return result.rows as T[];
  }

  /** As `query`, for what is asked many times a second: planning a statement of a push takes as long as running it. */
  async prepared<T>({ name, text }: PreparedStatement, params: unknown[]): Promise<T[]> {
    const result = await this.connection().query({ name, text, values: params });
    return result.rows as T[];
  }

  /** The one row that must be there. @throws Error (a bug) for none or several */
  async one<T>(sql: string, params: unknown[] = []): Promise<T> {
    const rows = await this.query<T>(sql, params);
    const row = rows[0];
    if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`);
    return row;
  }

  /**
   * As the owner of the tables, within the same tenant's wall: for what no use case may do, and a rebuild has to, which is
   * to delete rows that no archived line leads to. @returns how many rows were written
   */
  async executeAsOwner(sql: string, params: unknown[] = []): Promise<number> {
    const { role } = await this.one<{ role: string }>(`SELECT current_setting('role') AS role`);
    await this.query('SELECT set_config($1, $2, true)', ['role', 'none']);
    const written = await this.execute(sql, params);
    await this.query('SELECT set_config($1, $2, true)', ['role', role]);
    return written;
  }

  /** @returns how many rows were written */
  async execute(sql: string, params: unknown[] = []): Promise<number> {
    const result = await this.connection().query(sql, params);
    return result.rowCount ?? 0;
  }

  /**
   * Sends statements in their order: those of few rows one right behind the other; with many, others are served each time
   * that some hundred rows are in. Each is made when it is about to be sent. @returns the answers @throws what failed first
   * @throws what the making of one throws: what was sent before goes with the transaction
   */
  async inTurns<T>(statements: Iterable<StatementOfRows<T>>): Promise<T[]> {
    const answers: T[] = [];
    let sent: Promise<T>[] = [];
    let rows = 0;
    for (const statement of statements) {
      if (rows > 0 && rows + statement.rows > ROWS_IN_ONE_GO_MAX) {
        answers.push(...(await together<T[]>(...sent)));
        [sent, rows] = [[], 0];
        await this.giveWay();
      }
      const answer = statement.send();
      // Heard of below; the next may be one that cannot be made.
      answer.catch(() => undefined);
      sent.push(answer);
      rows += statement.rows;
    }
    return [...answers, ...(await together<T[]>(...sent))];
  }

  /** Nothing is sent from here on. */
  end(): void {
    this.isOver = true;
  }

  /** The connection is the next tenant's then: what came late would run as the owner of all, or among another's rows. */
  private connection(): PoolClient {
    if (this.isOver) throw new Error('a statement came, and the transaction is over');
    return this.client;
  }
}

/** in_failed_sql_transaction: something else failed before. */
const BEHIND_A_FAILURE = '25P02';

/**
 * Waits for statements that were sent one right behind the other. Once one fails those behind it fail too, since the
 * transaction is done for; all are waited for, so that nothing is still being sent when it is rolled back.
 * @throws what failed first
 */
export async function together<Answers extends readonly unknown[]>(
  ...sent: { [At in keyof Answers]: Promise<Answers[At]> }
): Promise<Answers> {
  const failures: unknown[] = [];
  const answers = await Promise.all(sent.map((statement) => statement.catch((error: unknown) => failures.push(error))));
  // Who sent several hears of his own only when all are answered, and another has long been told that nothing goes on.
  if (failures.length > 0) throw failures.find((failure) => sqlStateOf(failure) !== BEHIND_A_FAILURE) ?? failures[0];
  return answers as unknown as Answers;
}

/**
 * The only way to the database. A use case is one `transaction`: as the role that owns nothing, with the tenant set for the time of the
 * transaction, run again as a whole when PostgreSQL asks for it.
 */
export class Database {
  private readonly listeners = new Set<(announcement: Announcement) => void>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly random: () => number,
    /** Between pieces of long work in here, and of what leads to it. */
    readonly giveWay: GiveWay = toOtherWork,
  ) {}

  async transaction<T>(tenantId: string, work: (tx: Tx) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt(tenantId, work, options);
      } catch (error) {
        if (!PASSING_SQLSTATES.has(sqlStateOf(error) ?? '') || attempt === TRIES_MAX) throw error;
        await pause(this.random() * RETRY_DELAY_MS_FIRST * 2 ** attempt);
      }
    }
  }

  /**
   * As the connecting role, outside every tenant: for migrations, the look-up functions of migration 1 and the hub's own state. Row-level
   * security is forced on the owner too, so tenant tables look empty from here unless the role is a superuser.
   * @param lockMsMax longest wait for a table that others hold: whoever asks for it meanwhile stands behind this one
   */
  async asOwner<T>(sql: string, params: unknown[] = [], lockMsMax = 0): Promise<T[]> {
    const runner = this.dataSource.createQueryRunner();
    try {
      if (lockMsMax > 0) await runner.query(`SET lock_timeout = ${lockMsMax}`);
      const result = await runner.query(sql, params, true);
      return result.records as T[];
    } finally {
      if (lockMsMax > 0) await runner.query('RESET lock_timeout').catch(() => undefined);
      await runner.release();
    }
  }

  /**
   * Holds an advisory lock of that name, on a connection of its own, while the work is done. Asks for it again and again: who
   * waits for a lock in PostgreSQL is in a transaction, for which whoever holds the lock may have to wait.
   * @param mayWait asked each time that another holds it @returns null: no longer waited for
   */
  async holdingLock<T>(name: string, work: () => Promise<T>, mayWait = (): boolean => true): Promise<T | null> {
    const runner = this.dataSource.createQueryRunner();
    try {
      while (!(await hadLock(runner, name))) {
        if (!mayWait()) return null;
        await pause(LOCK_LOOK_MS);
      }
      try {
        return await work();
      } finally {
        await runner.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [name]);
      }
    } finally {
      await runner.release();
    }
  }

  /** Whether nobody holds the lock of that name. */
  async mayLock(name: string): Promise<boolean> {
    const [row] = await this.asOwner<{ had: boolean }>(
      `SELECT had, CASE WHEN had THEN pg_advisory_unlock(key) END
         FROM (SELECT key, pg_try_advisory_lock(key) AS had FROM (SELECT hashtextextended($1, 0) AS key) k) tried`,
      [name],
    );
    return row?.had === true;
  }

  /** Tells the listeners of what was committed, here or in another thread of this process. */
  announce(announcement: Announcement): void {
    for (const listener of this.listeners) listener(announcement);
  }

  /** @returns how to stop listening */
  onAnnouncement(listener: (announcement: Announcement) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Until it is stopped, and through every loss of its connection; see `Notifications` for what is heard. */
  listen(channel: string, on: Pick<ListenOptions, 'onNotification' | 'onState'>): Notifications {
    const { url } = this.dataSource.options as { url?: string };
    if (url === undefined) throw new Error('the data source was opened without a URL');
    return new Notifications({ url, channel, random: this.random, ...on });
  }

  async close(): Promise<void> {
    if (this.dataSource.isInitialized) await this.dataSource.destroy();
  }

  private async attempt<T>(tenantId: string, work: (tx: Tx) => Promise<T>, options: TransactionOptions): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    try {
      const client = (await runner.connect()) as PoolClient;
      const tx = new Tx(tenantId, runner, client, this.giveWay);
      const result = await inside(client, tx, work, options);
      for (const topic of tx.announced) this.announce({ tenantId, topic });
      return result;
    } finally {
      await runner.release();
    }
  }
}

async function hadLock(runner: QueryRunner, name: string): Promise<boolean> {
  const sql = 'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS had';
  const [row] = (await runner.query(sql, [name])) as { had: boolean }[];
  return row?.had === true;
}

/** The tenant is entered before anything else is sent: what ran without would run as the owner of all. */
async function inside<T>(
  client: PoolClient,
  tx: Tx,
  work: (tx: Tx) => Promise<T>,
  { isolation = 'READ COMMITTED', statementMsMax = STATEMENT_MS_MAX }: TransactionOptions,
): Promise<T> {
  try {
    await together(
      client.query(`START TRANSACTION ISOLATION LEVEL ${isolation}`),
      client.query(ENTER, [tx.tenantId, `${statementMsMax}`, `${IDLE_IN_TRANSACTION_MS_MAX}`]),
    );
    const result = await work(tx).finally(() => tx.end());
    // PostgreSQL answers COMMIT of a transaction in which something failed with ROLLBACK, and without an error.
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new Error('a statement of the transaction failed, and nobody heard of it');
    return result;
  } catch (error) {
    // A connection that broke cannot roll back; PostgreSQL does it. What failed first is what matters.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** `set_config('role', …, true)` is SET LOCAL ROLE: all of it in one round trip, all of it gone with the transaction. */
const ENTER = `SELECT set_config('role', 'branchline_app', true), set_config('branchline.tenant_id', $1::uuid::text, true),
  set_config('statement_timeout', $2, true), set_config('idle_in_transaction_session_timeout', $3, true)`;

export function sqlStateOf(error: unknown): string | undefined {
  return fieldOfDriver(error, 'code');
}

/** Name of the constraint that refused a row: they are named by the rule they stand for. */
export function constraintOf(error: unknown): string | undefined {
  return fieldOfDriver(error, 'constraint');
}

function fieldOfDriver(error: unknown, field: 'code' | 'constraint'): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const driver: unknown = 'driverError' in error ? error.driverError : error;
  if (typeof driver !== 'object' || driver === null || !(field in driver)) return undefined;
  const value: unknown = (driver as Record<string, unknown>)[field];
  return typeof value === 'string' ? value : undefined;
}
