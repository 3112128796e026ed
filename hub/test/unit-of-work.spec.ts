import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '@branchline/fleet/testing/database.js';
import type { DataSource } from 'typeorm';
import { v7 } from 'uuid';
import { openDataSource } from '../src/database/database.js';
import { renewHubEpoch } from '../src/database/hub-epoch.js';
import { migrate } from '../src/database/migrate.js';
import { Database, constraintOf, sqlStateOf, together, type Tx } from '../src/database/unit-of-work.js';

const TENANT = '01940000-0000-7000-8000-00000000000a';
let testDatabase: TestDatabase;
let dataSource: DataSource;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  dataSource = await openDataSource(testDatabase.url);
  database = new Database(dataSource, Math.random);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const inTenant = <T>(work: (tx: Tx) => Promise<T>, options = {}): Promise<T> =>
  database.transaction(TENANT, work, options);

describe('migration', () => {
  it('is done once when several processes start together', async () => {
    const others = await Promise.all([openDataSource(testDatabase.url, 3), openDataSource(testDatabase.url, 3)]);
    const ran = await Promise.all([dataSource, ...others].map((each) => migrate(each)));
    await Promise.all(others.map((each) => each.destroy()));
    expect(ran.filter((names) => names.length > 0)).toHaveLength(1);
    expect(await migrate(dataSource)).toEqual([]);
    await inTenant((tx) =>
      tx.execute(
        `INSERT INTO tenant (tenant_id, code, name, currency, created_at) VALUES ($1, 'T', 'T', 'ZAR', now())`,
        [TENANT],
      ),
    );
  });

  it('gives an epoch that stays, until the database is another one', async () => {
    const first = await renewHubEpoch(database, v7);
    expect(await renewHubEpoch(database, v7)).toBe(first);
    await database.asOwner(`UPDATE hub_state SET lineage = 'where this was copied from'`);
    const second = await renewHubEpoch(database, v7);
    expect(second).not.toBe(first);
    expect(await renewHubEpoch(database, v7)).toBe(second);
  });
});

describe('a lock', () => {
  it('is held by one at a time, and waited for outside every transaction: a scrub waits until none is open', async () => {
    let leave: () => void = () => undefined;
    const done: string[] = [];
    const holding = new Promise<void>((begun) => {
      void database.holdingLock(
        'one',
        () =>
          new Promise<void>((end) => {
            leave = end;
            begun();
          }),
      );
    });
    await holding;
    const waiting = database.holdingLock('one', async () => void done.push('second'));
    // Who waited in the database would be seen each time.
    const seen: number[] = [];
    for (let look = 0; look < 10; look += 1) {
      await pause(10);
      const open = await database.asOwner(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`,
      );
      seen.push(open.length);
    }
    expect(seen).toContain(0);
    expect(done).toEqual([]);
    leave();
    await waiting;
    expect(done).toEqual(['second']);
    expect(await database.mayLock('one')).toBe(true);
    const twice = () =>
      database.holdingLock(
        'one',
        async () => 'had',
        () => false,
      );
    expect(await database.holdingLock('one', twice)).toBeNull();
  });
});

describe('a unit of work', () => {
  it('runs as the role that owns nothing', async () => {
    const row = await inTenant((tx) => tx.one<{ role: string }>('SELECT current_user AS role'));
    expect(row.role).toBe('branchline_app');
    await expect(inTenant((tx) => tx.query('CREATE TABLE mine (id int)'))).rejects.toMatchObject({
      code: '42501',
    });
    await expect(inTenant((tx) => tx.query('ALTER TABLE person DISABLE ROW LEVEL SECURITY'))).rejects.toThrow(
      'must be owner',
    );
  });

  it('is run again as a whole after a deadlock', async () => {
    const codes = ['D1', 'D2'];
    for (const code of codes)
      await inTenant((tx) =>
        tx.execute(`INSERT INTO region (tenant_id, code, name) VALUES ($1, $2, '')`, [TENANT, code]),
      );
    let bothHold: () => void = () => undefined;
    const holding = new Promise<void>((resolve) => (bothHold = resolve));
    let holders = 0;
    let attempts = 0;
    const crosswise = (order: string[]): Promise<void> =>
      inTenant(async (tx) => {
        attempts += 1;
        for (const [at, code] of order.entries()) {
          await tx.execute(`UPDATE region SET name = name || $2 WHERE code = $1`, [code, order[0]]);
          if (at === 0 && (holders += 1) === 2) bothHold();
          if (at === 0) await holding;
        }
      });
    await Promise.all([crosswise(codes), crosswise([...codes].reverse())]);
    expect(attempts).toBe(3);
    const rows = await inTenant((tx) => tx.query<{ name: string }>(`SELECT name FROM region WHERE code LIKE 'D_'`));
    expect(rows.map(({ name }) => name.length)).toEqual([4, 4]);
  });

  it('gives up when what it is refused for does not pass', async () => {
    let attempts = 0;
    const twice = inTenant(async (tx) => {
      attempts += 1;
      for (let turn = 0; turn < 2; turn += 1)
        await tx.execute(`INSERT INTO region (tenant_id, code, name) VALUES ($1, 'X', '')`, [TENANT]);
    });
    const error: unknown = await twice.catch((thrown: unknown) => thrown);
    expect([attempts, sqlStateOf(error), constraintOf(error)]).toEqual([1, '23505', 'region_code_is_taken']);
    expect(await inTenant((tx) => tx.query(`SELECT 1 FROM region WHERE code = 'X'`))).toEqual([]);
  });

  it('is not done when a statement failed of which nobody heard', async () => {
    const work = inTenant(async (tx) => {
      await tx.execute(`INSERT INTO region (tenant_id, code, name) VALUES ($1, 'LOST', '')`, [TENANT]);
      await tx.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('nobody heard of it');
    expect(await inTenant((tx) => tx.query(`SELECT 1 FROM region WHERE code = 'LOST'`))).toEqual([]);
  });

  it('runs statements that go out together in their order, and tells of the first that fails', async () => {
    const [first, second] = await inTenant((tx) =>
      together(
        tx.query<{ at: number }>(`SELECT pg_sleep(0.05), set_config('branchline.step', '1', true), 1 AS at`),
        tx.query<{ step: string }>(`SELECT current_setting('branchline.step') AS step`),
      ),
    );
    expect([first[0]?.at, second[0]?.step]).toEqual([1, '1']);
    const failing = inTenant((tx) =>
      together(tx.query('SELECT 1'), tx.query('SELECT 1 / 0'), tx.query('SELECT 2'), tx.execute('SELECT nothing')),
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
  });

  it('serves others between many rows, and sends few at once', async () => {
    const order: string[] = [];
    const giveWay = async (): Promise<void> => void order.push('others');
    const giving = new Database(dataSource, Math.random, giveWay);
    const statements = (tx: Tx, rows: readonly number[]) =>
      rows.map((count, at) => ({
        rows: count,
        send: () => (order.push(`sent ${at}`), tx.query<{ at: number }>('SELECT $1::int AS at', [at])),
      }));
    const ask = (...rows: number[]) => giving.transaction(TENANT, (tx) => tx.inTurns(statements(tx, rows)));
    expect((await ask(200, 200, 100)).flat().map(({ at }) => at)).toEqual([0, 1, 2]);
    expect(order.splice(0)).toEqual(['sent 0', 'sent 1', 'sent 2']);
    expect((await ask(300, 300, 900, 0, 1)).flat().map(({ at }) => at)).toEqual([0, 1, 2, 3, 4]);
    expect(order).toEqual(['sent 0', 'others', 'sent 1', 'others', 'sent 2', 'others', 'sent 3', 'sent 4']);
    expect(await ask()).toEqual([]);
  });

  it('of statements in turns tells what failed first, also while one of them cannot be made', async () => {
    const failing = inTenant((tx) =>
      tx.inTurns([
        { rows: 400, send: () => tx.query('SELECT 1 / 0') },
        { rows: 1, send: () => tx.query('SELECT nothing') },
      ]),
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    function* broken(tx: Tx) {
      yield { rows: 1, send: () => tx.query('SELECT 1 / 0') };
      throw new Error('cannot be made');
    }
    await expect(inTenant((tx) => tx.inTurns(broken(tx)))).rejects.toThrow('cannot be made');
    expect(await inTenant((tx) => tx.query<{ at: number }>('SELECT 1 AS at'))).toEqual([{ at: 1 }]);
  });

  it('tells of what failed, also to who hears sooner that nothing goes on behind it', async () => {
    const failing = inTenant((tx) => {
      const slow = async (): Promise<void> => {
        await tx.query('SELECT 1 / 0').catch(async (error: unknown) => {
          await pause(20);
          throw error;
        });
      };
      return together(slow(), tx.query('SELECT 2'));
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
  });

  it('sends nothing for one whose transaction is over', async () => {
    let late: Promise<unknown> = Promise.resolve();
    await inTenant(async (tx) => {
      late = pause(20).then(() => tx.query('SELECT current_user AS role'));
    });
    await expect(late).rejects.toThrow('the transaction is over');
    const failed = inTenant(async (tx) => {
      late = pause(20).then(() => tx.execute('SELECT 1'));
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    await expect(late).rejects.toThrow('the transaction is over');
  });

  it('sends nothing any more once it is told of a failure', async () => {
    let late = '';
    await inTenant(async (tx) => {
      const slow = async (): Promise<void> => {
        await pause(20);
        late = await tx.query('SELECT 1').then(
          () => 'went through',
          () => 'refused',
        );
      };
      await tx.query('SAVEPOINT before');
      await expect(together(tx.query('SELECT 1 / 0'), slow())).rejects.toMatchObject({ code: '22012' });
      expect(late).toBe('refused');
      await tx.query('ROLLBACK TO SAVEPOINT before');
    });
  });

  it('announces after the commit, and not after a failure', async () => {
    const heard: string[] = [];
    const stop = database.onAnnouncement(({ tenantId, topic }) => heard.push(`${tenantId} ${topic}`));
    await inTenant(async (tx) => {
      tx.announced.add('feed');
      expect(heard).toEqual([]);
    });
    await inTenant((tx) => {
      tx.announced.add('feed');
      return Promise.reject(new Error('no'));
    }).catch(() => undefined);
    stop();
    await inTenant(async (tx) => void tx.announced.add('feed'));
    expect(heard).toEqual([`${TENANT} feed`]);
  });

  it('ends a statement that takes too long', async () => {
    const slow = inTenant((tx) => tx.query('SELECT pg_sleep(10)'), { statementMsMax: 50 });
    expect(sqlStateOf(await slow.catch((error: unknown) => error))).toBe('57014');
  });

  it('reads large numbers exactly or not at all, and a date as the date it is', async () => {
    const row = await inTenant((tx) => tx.one(`SELECT 9007199254740991::bigint AS n, '2026-11-20'::date AS d`));
    expect(row).toEqual({ n: 9_007_199_254_740_991, d: '2026-11-20' });
    await expect(inTenant((tx) => tx.query('SELECT 9007199254740993::bigint'))).rejects.toThrow(
      'cannot be kept exactly',
    );
    expect(await inTenant((tx) => tx.query('SELECT 1 AS one'))).toEqual([{ one: 1 }]);
  });

  it('takes no tenant that is no UUID', async () => {
    await expect(database.transaction(`x' OR true --`, (tx) => tx.query('SELECT 1'))).rejects.toThrow(
      'invalid input syntax for type uuid',
    );
  });
});
