import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { v7 } from 'uuid';
import type { JournalRef } from './command.js';
import { openDatabase } from './database.js';
import { examine, examineFile } from './doctor.js';
import { backUp, rebuildInPlace, restore } from './keep.js';
import type { Store } from './store.js';
import {
  BY_NOBODY,
  DEVICE_APPLIERS,
  enrolDevice,
  storeFixture,
  type StoreFixture,
  takeDevice,
} from './testing/store-fixture.js';
import { Witness } from './witness.js';

const enrol = (store: Store, name: string): Promise<JournalRef> =>
  store.writer.execute(enrolDevice, { id: v7(), name }, BY_NOBODY);

describe('looking after a file', () => {
  let fixture: StoreFixture;
  const file = (name: string): string => join(fixture.folder, name);

  beforeEach(async () => {
    fixture = storeFixture();
    const store = await fixture.open();
    for (let index = 0; index < 10; index += 1) await enrol(store, `device ${index}`);
    await store.close();
  });
  afterEach(() => fixture.remove());

  async function complaints(): Promise<string[]> {
    const database = await openDatabase(file('edge.db'));
    const findings = examine(database.reads, Witness.read(file('witness')));
    await database.close();
    return findings.filter(({ well }) => !well).map(({ what, detail }) => `${what}: ${detail}`);
  }

  /** One bit of its line, in every copy of it: pages that were split leave stale ones behind. */
  function damageFifthDevice(): void {
    const database = new BetterSqlite3(file('edge.db'), { readonly: true });
    const line = database.prepare('SELECT line FROM journal WHERE position = 6').pluck().get() as Buffer;
    database.close();
    const bytes = readFileSync(file('edge.db'));
    for (let at = -1; (at = bytes.indexOf(line, at + 1)) >= 0;) bytes.writeUInt8(bytes.readUInt8(at + 30) ^ 1, at + 30);
    writeFileSync(file('edge.db'), bytes);
  }

  it('finds nothing wrong with a whole file', async () => {
    expect(await complaints()).toEqual([]);
  });

  it('names the line whose bytes were changed, which SQLite does not notice', async () => {
    damageFifthDevice();
    expect(await complaints()).toEqual([
      expect.stringMatching(/^chain of epoch 1 .*the journal is damaged at position 6: /),
    ]);
  });

  it('says when the file is behind its witness', async () => {
    backUp(file('edge.db'), file('backup.db'));
    const store = await fixture.open();
    await enrol(store, 'later');
    await store.close();
    await restore(file('edge.db'), file('backup.db'));
    expect(await complaints()).toEqual([expect.stringContaining('witness: witness-ahead')]);
    const restored = await fixture.open();
    expect(await enrol(restored, 'after the restore')).toMatchObject({ epoch: 2, seq: 2 });
    await restored.close();
  });

  it('keeps the file that a restore replaces, with what its log holds, and takes it back', async () => {
    backUp(file('edge.db'), file('backup.db'));
    const store = await fixture.open();
    await enrol(store, 'only here');
    // As a kill leaves it: committed, and not yet moved from the log into the file.
    for (const rest of ['', '-wal']) copyFileSync(file(`edge.db${rest}`), file(`killed.db${rest}`));
    await store.close();
    for (const rest of ['', '-wal']) renameSync(file(`killed.db${rest}`), file(`edge.db${rest}`));
    await restore(file('edge.db'), file('backup.db'));
    // What its log held is in the file itself.
    expect(statSync(file('edge.db.before-restore-wal'), { throwIfNoEntry: false })).toBeUndefined();
    // Twice: the wrong backup, then another. What was set aside first is still what was sold, and is taken back.
    await restore(file('edge.db'), file('backup.db'));
    await restore(file('edge.db'), file('edge.db.before-restore'));
    const back = await openDatabase(file('edge.db'));
    expect(back.reads.get(`SELECT count(*) AS devices FROM device WHERE name = 'only here'`)).toEqual({ devices: 1 });
    await back.close();
  });

  it('restores what the backup says, whatever an interrupted restore left behind', async () => {
    backUp(file('edge.db'), file('backup.db'));
    const store = await fixture.open();
    await enrol(store, 'later');
    copyFileSync(file('edge.db-wal'), file('edge.db.restoring-wal'));
    await store.close();
    await restore(file('edge.db'), file('backup.db'));
    const restored = await fixture.open();
    expect(restored.reads.get(`SELECT count(*) AS devices FROM device`)).toEqual({ devices: 10 });
    await restored.close();
  });

  it('backs up a running edge, with all that it has committed', async () => {
    const store = await fixture.open();
    await enrol(store, 'committed a moment ago');
    expect(backUp(file('edge.db'), file('backup.db'))).toMatchObject({ seq: 12 });
    expect(await enrol(store, 'and on')).toMatchObject({ epoch: 1, seq: 13 });
    await store.close();
    const copy = await openDatabase(file('backup.db'));
    expect(copy.reads.get(`SELECT max(name) AS name FROM device WHERE name LIKE '%moment%'`)).toEqual({
      name: 'committed a moment ago',
    });
    expect(examineFile(copy.reads).filter(({ well }) => !well)).toEqual([]);
    await copy.close();
  });

  it('gives a backup to nobody but its owner', () => {
    backUp(file('edge.db'), file('backup.db'));
    expect(statSync(file('backup.db')).mode & 0o777).toBe(0o600);
  });

  it('refuses to call a copy of a damaged file a backup, and leaves none', () => {
    damageFifthDevice();
    expect(() => backUp(file('edge.db'), file('backup.db'))).toThrow(
      /damaged: chain of epoch 1 .*the journal is damaged at position 6: /,
    );
    expect(readdirSync(fixture.folder).filter((name) => name.startsWith('backup'))).toEqual([]);
  });

  it('refuses to restore under a running edge', async () => {
    backUp(file('edge.db'), file('backup.db'));
    const store = await fixture.open();
    await expect(restore(file('edge.db'), file('backup.db'))).rejects.toThrow('another edge is running');
    await store.close();
  });

  it('never writes a backup over another file', () => {
    backUp(file('edge.db'), file('backup.db'));
    expect(() => backUp(file('edge.db'), file('backup.db'))).toThrow('exists already');
  });

  it('rebuilds a file whose rows were lost, and goes on in the same incarnation', async () => {
    const broken = await openDatabase(file('edge.db'));
    broken.connection.run('DELETE FROM device');
    await broken.close();
    const parts = { appliers: DEVICE_APPLIERS, moveReference: (): void => undefined, applyFetched: takeDevice };
    expect(await rebuildInPlace(file('edge.db'), parts)).toEqual({ lines: 11, incarnations: 1 });
    const store = await fixture.open();
    expect(store.reads.get('SELECT count(*) AS devices FROM device')).toEqual({ devices: 10 });
    expect(await enrol(store, 'next')).toMatchObject({ epoch: 1, seq: 12 });
    await store.close();
    rmSync(file('edge.db.before-rebuild'));
  });
});
