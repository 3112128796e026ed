import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { openDatabase } from './database.js';
import { examineFile } from './doctor.js';
import { journalAgain } from './journal-again.js';
import { packLine, unpackLine } from './line-storage.js';
import { rebuild } from './rebuild.js';
import { TABLE_ORIGINS } from './table-origins.js';
import {
  BY_NOBODY,
  DEVICE_APPLIERS,
  enrolDevice,
  storeFixture,
  type StoreFixture,
  takeDevice,
} from './testing/store-fixture.js';

const PARTS = { appliers: DEVICE_APPLIERS, moveReference: (): void => undefined, applyFetched: takeDevice };

describe('a file rebuilt from its journal', () => {
  let fixture: StoreFixture;
  beforeEach(() => {
    fixture = storeFixture();
  });
  afterEach(() => fixture.remove());

  async function trade(): Promise<void> {
    const store = await fixture.open();
    for (let index = 0; index < 5; index += 1) {
      await store.writer.execute(enrolDevice, { id: v7(), name: `d${index}` }, BY_NOBODY);
    }
    await store.writer.write({ name: 'journal-again', run: journalAgain }, { incarnationNo: 1, commonSeq: 3 });
    await store.writer.execute(enrolDevice, { id: v7(), name: 'after the fork' }, BY_NOBODY);
    await store.close();
  }

  it('has the same journal and the same rows, lines journalled again included', async () => {
    await trade();
    const source = await openDatabase(join(fixture.folder, 'edge.db'));
    const target = await openDatabase(join(fixture.folder, 'rebuilt', 'edge.db'));
    expect(rebuild(source.reads, target.connection, PARTS)).toEqual({ lines: 11, incarnations: 2 });
    const tables = Object.entries(TABLE_ORIGINS).filter(([, origin]) => origin === 'journal' || origin === 'machinery');
    for (const [table] of tables) {
      if (table === 'migrations') continue;
      expect({ table, rows: target.reads.all(`SELECT * FROM ${table}`) }).toEqual({
        table,
        rows: source.reads.all(`SELECT * FROM ${table}`),
      });
    }
    await source.close();
    await target.close();
  });

  it('refuses a journal whose chain breaks, and leaves nothing half made', async () => {
    await trade();
    const source = await openDatabase(join(fixture.folder, 'edge.db'));
    const lineOf = (position: number) =>
      source.reads.get<{ line: Buffer }>('SELECT line FROM journal WHERE position = ?', position)?.line ??
      Buffer.alloc(0);
    const other = unpackLine(lineOf(4), 4).toString().replace('d2', 'dX');
    source.connection.run('UPDATE journal SET line = ? WHERE position = 4', packLine(Buffer.from(other)));
    const target = await openDatabase(join(fixture.folder, 'rebuilt', 'edge.db'));
    expect(() => rebuild(source.reads, target.connection, PARTS)).toThrow(
      'the chain of incarnation 3 breaks at line 4',
    );
    expect(target.reads.all('SELECT * FROM journal')).toEqual([]);
    await source.close();
    await target.close();
  });

  it('says where a journal is damaged, as does the doctor, who looks at the other chains all the same', async () => {
    await trade();
    const source = await openDatabase(join(fixture.folder, 'edge.db'));
    const line = source.reads.get<{ line: Buffer }>('SELECT line FROM journal WHERE position = 3')?.line;
    line?.writeUInt8(line.readUInt8(20) ^ 4, 20);
    source.connection.run('UPDATE journal SET line = ? WHERE position = 3', line ?? null);
    const target = await openDatabase(join(fixture.folder, 'rebuilt', 'edge.db'));
    const damage = 'the journal is damaged at position 3: its bytes are not those that were written';
    expect(() => rebuild(source.reads, target.connection, PARTS)).toThrow(damage);
    const chains = examineFile(source.reads).filter(({ what }) => what.startsWith('chain'));
    expect(chains).toMatchObject([
      { well: false, detail: damage },
      { well: true, what: expect.stringContaining('epoch 2') },
      { well: true, what: expect.stringContaining('journalled again after #3') },
    ]);
    await source.close();
    await target.close();
  });

  it('knows the origin of every table of the file', async () => {
    const database = await openDatabase(join(fixture.folder, 'edge.db'));
    const tables = database.reads.all<{ name: string }>(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
    );
    expect(tables.map(({ name }) => name).sort()).toEqual(Object.keys(TABLE_ORIGINS).sort());
    await database.close();
  });
});
