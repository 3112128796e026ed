import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { createTestDatabase, type TestDatabase } from '@branchline/fleet/testing/database.js';
import { createLogger } from '@branchline/http/log.js';
import { v7 } from 'uuid';
import { beginBackup, forgetBackup, listBackups, verifyBackup } from '../src/backups/backups.js';
import { dumpAndVerify, forgetOlder } from '../src/backups/dump.js';
import { openDataSource } from '../src/database/database.js';
import { Database } from '../src/database/unit-of-work.js';
import { HubSecrets } from '../src/secrets.js';
import { startHub, type RunningHub } from '../src/start-hub.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

jest.setTimeout(120_000);

let harness: HubHarness;
let hub: RunningHub;
let box: TestBox;
let journal: JournalBuilder;
let secrets: HubSecrets;
let database: Database;
const copies: TestDatabase[] = [];

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
  journal = box.newJournal();
  hub = harness.hub;
  await sell(3);
  secrets = HubSecrets.openExisting(harness.secretsDir);
  database = await open(harness.databaseUrl);
});
afterAll(async () => {
  await database.close();
  await hub.close();
  for (const copy of copies) await copy.drop();
  await harness.close();
});
afterEach(async () => {
  for (const { id } of await listBackups({ database })) await forgetBackup(parts(), id);
});

const parts = () => ({ database, clock: systemClock, newId: v7 });
const open = async (url: string): Promise<Database> => new Database(await openDataSource(url, 4), Math.random);

/** @returns what the hub acknowledges */
async function sell(sales: number): Promise<{ appliedSeq: number; durableSeq: number }> {
  const fromSeq = journal.seq + 1;
  for (let sale = 0; sale < sales; sale += 1) journal.sale();
  const { data } = await box.push(journal.push(Math.max(fromSeq - 1, 1)), { url: hub.url });
  return data as { appliedSeq: number; durableSeq: number };
}

/** The database as it stands, in another one: what any tool restores. */
async function restoredCopy(): Promise<Database> {
  const config = { databaseUrl: harness.databaseUrl, host: '127.0.0.1', port: 0, secretsDir: harness.secretsDir };
  await hub.close();
  await database.close();
  const copy = await createTestDatabase(new URL(harness.databaseUrl).pathname.slice(1));
  copies.push(copy);
  database = await open(harness.databaseUrl);
  hub = await startHub({ ...config, logLevel: 'fatal' }, systemClock, createLogger('hub', 'fatal'));
  return open(copy.url);
}

describe('what a backup holds', () => {
  it('counts as durable once it was restored and proved, up to where it began, until it is forgotten', async () => {
    const before = journal.seq;
    const id = await beginBackup(parts(), 'nightly');
    const restored = await restoredCopy();
    expect(await sell(2)).toMatchObject({ appliedSeq: before + 2, durableSeq: 0 });
    expect(await verifyBackup(parts(), id, { restored, secrets })).toEqual([]);
    await restored.close();
    expect(await sell(1)).toMatchObject({ appliedSeq: before + 3, durableSeq: before });
    const incarnations = [{ incarnation: journal.incarnation, seq: journal.seq, hash: journal.headHash }];
    const { data } = await box.hello({ incarnations }, hub.url);
    expect(data.streams).toEqual([expect.objectContaining({ durableSeq: before })]);
    expect(await listBackups({ database })).toEqual([
      { id, what: 'nightly', begunAt: expect.any(String), verifiedAt: expect.any(String), heads: 1 },
    ]);
    await forgetBackup(parts(), id);
    expect(await sell(1)).toMatchObject({ durableSeq: 0 });
  });

  it('is what the oldest of those that are kept holds', async () => {
    const older = await beginBackup(parts(), 'older');
    const first = journal.seq;
    await sell(2);
    const second = journal.seq;
    const later = await beginBackup(parts(), 'later');
    const restored = await restoredCopy();
    for (const id of [later, older]) expect(await verifyBackup(parts(), id, { restored, secrets })).toEqual([]);
    await restored.close();
    expect(await sell(1)).toMatchObject({ durableSeq: first });
    await forgetBackup(parts(), older);
    expect(await sell(1)).toMatchObject({ durableSeq: second });
  });

  it('is not proved where lines are missing, altered, or rows do not follow from them', async () => {
    const id = await beginBackup(parts(), 'damaged');
    const restored = await restoredCopy();
    await restored.asOwner(
      `UPDATE sale SET total_minor = total_minor + 1 WHERE id = (SELECT min(id::text)::uuid FROM sale)`,
    );
    expect(await verifyBackup(parts(), id, { restored, secrets })).toEqual([
      expect.stringMatching(/^ACME B001: differs: .*altered-row/),
    ]);
    await restored.asOwner('DELETE FROM journal_chunk');
    expect(await verifyBackup(parts(), id, { restored, secrets })).toContainEqual(
      expect.stringMatching(/^B001: line \d+ of .* is not there$/),
    );
    await restored.close();
    expect(await sell(1)).toMatchObject({ durableSeq: 0 });
  });

  it('is no proof when it was made before it began, or is the database itself', async () => {
    const restored = await restoredCopy();
    const id = await beginBackup(parts(), 'too late');
    await expect(verifyBackup(parts(), id, { restored, secrets })).rejects.toThrow(/made before that began/);
    await restored.close();
    const itself = await open(harness.databaseUrl);
    await expect(verifyBackup(parts(), id, { restored: itself, secrets })).rejects.toThrow(/the database itself/);
    await itself.close();
    await expect(verifyBackup(parts(), v7(), { restored: database, secrets })).rejects.toThrow(/no backup .* is kept/);
  });
});

/** Those of the server's version, where this machine has them: the embedded server comes without. */
const canDump = (): boolean => {
  const { stdout } = spawnSync('pg_dump', ['--version'], { encoding: 'utf8' });
  return serverMajor !== 0 && Number(/ (\d+)/.exec(stdout ?? '')?.[1] ?? 0) >= serverMajor;
};
let serverMajor = 0;
beforeAll(async () => {
  const [row] = await database.asOwner<{ version: number }>(
    `SELECT current_setting('server_version_num')::int AS version`,
  );
  serverMajor = Math.floor((row?.version ?? 0) / 10_000);
});

describe('files of backups', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'branchline-backup-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const verified = (id: string) => database.asOwner('UPDATE hub_backup SET verified_at = now() WHERE id = $1', [id]);
  /** Writes down what it was given, and fails. */
  const toolFolder = (): string => {
    const script =
      '#!/bin/sh\nprintf "%s " "$@" >"$(dirname "$0")/said"\nprintf %s "$PGPASSWORD" >>"$(dirname "$0")/said"\nexit 1\n';
    writeFileSync(join(folder, 'pg_dump'), script, { mode: 0o755 });
    return folder;
  };

  it('are not written over one another, by the same name twice or by two at once', async () => {
    const request = { databaseUrl: harness.databaseUrl, keep: 1, pgBin: toolFolder(), secrets };
    const file = join(folder, 'nightly.dump');
    writeFileSync(file, 'the only copy');
    await verified(await beginBackup(parts(), `file:${file}`));
    await expect(dumpAndVerify(parts(), { ...request, file })).rejects.toThrow(/is there already/);
    expect(readFileSync(file, 'utf8')).toBe('the only copy');
    expect(await listBackups({ database })).toHaveLength(1);
    rmSync(file);
    await expect(dumpAndVerify(parts(), { ...request, file })).rejects.toThrow(/pg_dump ended with 1/);
    // Nor does a backup count whose file is gone, or one that was never written.
    expect([existsSync(file), await listBackups({ database })]).toEqual([false, []]);
  });

  it('are deleted when newer ones stand, and never a file that an operator named', async () => {
    const [theirs, ours] = [join(folder, 'base.tar'), join(folder, 'ours.dump')];
    for (const file of [theirs, ours]) writeFileSync(file, 'a backup');
    for (const what of [theirs, `file:${ours}`, 'file:/newest']) await verified(await beginBackup(parts(), what));
    expect(await forgetOlder(parts(), 1)).toEqual([ours]);
    expect([existsSync(theirs), existsSync(ours)]).toEqual([true, false]);
    expect((await listBackups({ database })).map(({ what }) => what)).toEqual([theirs, 'file:/newest']);
  });

  it('are made without a password among the arguments, which everybody on the machine can read', async () => {
    const request = { keep: 1, pgBin: toolFolder(), secrets, file: join(folder, 'secret.dump') };
    const databaseUrl = 'postgres://hub:s%20cret@127.0.0.1:1/hub';
    await expect(dumpAndVerify(parts(), { ...request, databaseUrl })).rejects.toThrow(/pg_dump/);
    expect(readFileSync(join(folder, 'said'), 'utf8')).toBe(
      `--dbname=postgres://hub@127.0.0.1:1/hub --format=custom --file=${request.file} s cret`,
    );
  });
});

describe('a backup by pg_dump', () => {
  it('is restored, proved and recorded in one go, or says what stands in the way and leaves no trace', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'branchline-backup-'));
    const request = { databaseUrl: harness.databaseUrl, keep: 1, pgBin: undefined, secrets };
    const files = [join(folder, 'one.dump'), join(folder, 'two.dump')] as const;
    try {
      if (!canDump()) {
        await expect(dumpAndVerify(parts(), { ...request, file: files[0] })).rejects.toThrow(/pg_dump/);
        expect(await listBackups({ database })).toEqual([]);
        return;
      }
      const first = await dumpAndVerify(parts(), { ...request, file: files[0] });
      expect(first).toMatchObject({ verified: true, wrong: [], forgotten: [] });
      const second = await dumpAndVerify(parts(), { ...request, file: files[1] });
      expect(second).toMatchObject({ verified: true, forgotten: [files[0]] });
      expect([existsSync(files[0]), existsSync(files[1])]).toEqual([false, true]);
      expect(await listBackups({ database })).toEqual([expect.objectContaining({ id: second.id })]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
