import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unwrapPersonKey } from '@branchline/replication/person-wrap.js';
import pg from 'pg';
import { v7 } from 'uuid';
import { CustomerOpener } from '../../hub/src/customers/customer-opener.js';
import { unpackChunk, type JournalChunk } from '../../hub/src/sync/journal-chunk.js';
import { personsWrappingKey } from '../src/customers/person-keys.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { examineFile } from '../src/store/doctor.js';
import { backUp, restore } from '../src/store/keep.js';
import { unpackLine } from '../src/store/line-storage.js';
import type { Connection } from '../src/store/tx.js';
import { ChainHarness, type StoreHarness } from './chain-harness.js';
import { textSecrets, tracesIn, tracesInFolder, type Secret } from './traces.js';

/*
 * A person who asks to be forgotten is looked for in every byte: of two stores and head office, of their archives taken
 * apart, of backups. Before the erasure the same search finds him where he may be, so that it can find.
 */

const PERSON = {
  name: 'Zyxcanary Quetzalcoatl',
  email: 'zyx.canary@quetzal.example',
  phone: '+27 99 876 5432',
  address: '77 Canaryzyx Crescent',
  taxNumber: 'ZYXTAX4711',
  note: 'zyxcanary collects on Fridays',
};
const CHANGED = { name: 'Zyxcanary Quetzal-Renamed', note: 'zyxcanary moved to Mondays', phone: '+27 99 111 2233' };

let chain: ChainHarness;
let [one, two, far]: StoreHarness[] = [];
let archive: string;
let id: string;
let key: Secret;
const secrets: Secret[] = textSecrets({
  ...{ name: 'zyxcanary', surname: 'quetzal', email: 'zyx.canary@', phone: '99 876 5432', phoneKey: '998765432' },
  ...{ address: 'canaryzyx', taxNumber: 'zyxtax4711', changedPhone: '99 111 2233' },
});

beforeAll(async () => {
  chain = await ChainHarness.start({ B001: { region: 'R1' }, B002: { region: 'R1' }, B003: { region: 'R2' } });
  [one, two, far] = ['B001', 'B002', 'B003'].map((code) => chain.store(code));
  archive = mkdtempSync(join(tmpdir(), 'branchline-archive-'));
});
afterAll(async () => {
  await chain.close();
  rmSync(archive, { recursive: true, force: true });
});

const office = () => chain.hub.admin.api;
const at = (store: StoreHarness | undefined) => store!.manager.get(`/v1/customers/${id}`);

/** All files of a store's folder, and its journal's lines taken apart. */
function tracesAtStore(store: StoreHarness | undefined, sought: readonly Secret[]): string[] {
  const { reads } = store!.edge.store;
  const lines = reads
    .all<{ position: number; line: Buffer }>('SELECT position, line FROM journal')
    .map(({ position, line }) => unpackLine(line, position));
  return [
    ...tracesInFolder(store!.code, store!.folder, sought),
    ...tracesIn(`${store!.code}/journal, taken apart`, Buffer.concat(lines), sought),
  ];
}

/** Every row of every table, and what lies there compressed taken apart. */
async function tracesAtHub(sought: readonly Secret[]): Promise<string[]> {
  const { database } = chain.hub;
  const tables = await database.asOwner<{ name: string }>(
    `SELECT c.relname AS name FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await database.asOwner<{ text: string }>(`SELECT t::text AS text FROM "${name}" t`);
    found.push(...tracesIn(`hub/${name}`, Buffer.from(rows.map(({ text }) => text).join('\n')), sought));
  }
  const chunks = await database.asOwner<Record<string, unknown>>('SELECT * FROM journal_chunk');
  expect(chunks.length).toBeGreaterThan(0);
  for (const chunk of chunks) {
    const lines = await unpackChunk(chunkOf(chunk));
    found.push(...tracesIn('hub/archive, taken apart', Buffer.concat(lines.map(({ bytes }) => bytes)), sought));
  }
  const segments = await database.asOwner<{ encoding: string; bytes: Buffer }>(
    'SELECT encoding, bytes FROM feed_segment',
  );
  for (const { encoding, bytes } of segments) {
    const plain = encoding === 'br' ? brotliDecompressSync(bytes) : gunzipSync(bytes);
    found.push(...tracesIn('hub/feed segment, taken apart', plain, sought));
  }
  return [...new Set(found)];
}

function chunkOf(row: Record<string, unknown>): JournalChunk {
  return {
    firstSeq: Number(row['first_seq']),
    lastSeq: Number(row['last_seq']),
    hashes: row['hashes'] as Buffer,
    bodyBytes: Number(row['body_bytes']),
    body: row['body'] as Buffer,
  };
}

/** The files of this database and PostgreSQL's write-ahead log, after a checkpoint. */
async function tracesOnDisk(sought: readonly Secret[]): Promise<{ tables: string[]; log: string[] }> {
  const { database } = chain.hub;
  await database.asOwner('CHECKPOINT');
  const [place] = await database.asOwner<{ folder: string; oid: string }>(
    `SELECT current_setting('data_directory') AS folder, oid::text FROM pg_database WHERE datname = current_database()`,
  );
  const { folder, oid } = place as { folder: string; oid: string };
  return {
    tables: tracesInFolder('base', join(folder, 'base', oid), sought),
    log: tracesInFolder('pg_wal', join(folder, 'pg_wal'), sought),
  };
}

const keyAt = (store: StoreHarness): Buffer => {
  const row = store.edge.store.reads.get<{ wrapped: Buffer }>('SELECT wrapped FROM person_key WHERE person = ?', id);
  return unwrapPersonKey(id, row!.wrapped, personsWrappingKey(store.edge.store.box)) as Buffer;
};

async function settled(...stores: (StoreHarness | undefined)[]): Promise<void> {
  for (const store of stores) {
    await store!.pushed();
    await eventually(`${store!.code} knows`, async () => {
      const { data } = await at(store);
      return data.state === 'known' && data.isOpen && data.name === CHANGED.name && data.note === CHANGED.note;
    });
  }
  await chain.hub.hub.app.get(CustomerOpener).settled();
}

describe('a person', () => {
  it('lives in the tables in clear and nowhere else', async () => {
    // Others stand on the same pages.
    for (const name of ['Abe', 'Zoe', 'Zyler'])
      await office().post('/v1/customers', { name, email: `${name}@example.org`, phone: '5', region: 'R1' });
    one!.line.cut();
    id = v7();
    expect((await one!.manager.post('/v1/customers', { id, ...PERSON, consentEmail: 'granted' })).status).toBe(201);
    await one!.manager.post('/v1/shifts', { id: v7(), drawer: 'D1', floatMinor: 0 });
    one!.line.restore();
    await eventually('two knows', async () => (await at(two)).data.isOpen === true);
    // Lost against each other, so that a loser is kept as well.
    two!.line.cut();
    await office().patch(`/v1/customers/${id}`, { name: 'Zyxcanary Loser', note: CHANGED.note });
    await two!.manager.patch(`/v1/customers/${id}`, { name: CHANGED.name, phone: CHANGED.phone });
    two!.line.restore();
    await settled(one, two);
    // Set aside: whatever is told of it tells nothing of the person.
    expect((await office().get(`/v1/customers/${id}`)).data.lost).toMatchObject([{ value: 'Zyxcanary Loser' }]);
    key = { name: 'the key', bytes: keyAt(one!) };
    expect(keyAt(two!)).toEqual(key.bytes);

    backUp(join(one!.folder, 'edge.db'), join(archive, 'one-before.db'));
    for (const store of [one, two]) {
      const places = new Set(tracesAtStore(store, [...secrets, key]).map((trace) => trace.split(':')[0]));
      expect([...places].filter((place) => !/edge\.db(-wal)?$/.test(place as string))).toEqual([]);
      expect(places.size).toBeGreaterThan(0);
      // In the one table in clear, and no other.
      for (const table of [
        'feed_customer',
        'customer_edit',
        'feed_staged',
        'sync_log',
        'person_key',
        'customer_sealed',
      ]) {
        const rows = store!.edge.store.reads.all(`SELECT * FROM ${table}`);
        expect(tracesIn(table, Buffer.from(JSON.stringify(rows)), [...secrets, key])).toEqual([]);
      }
      expect(
        tracesIn(
          'open',
          Buffer.from(JSON.stringify(store!.edge.store.reads.all('SELECT * FROM customer_open'))),
          secrets,
        ),
      ).not.toEqual([]);
    }
    expect(tracesAtStore(far, [...secrets, key])).toEqual([]);
    expect(tracesInFolder('archive', archive, [...secrets, key])).toEqual([]);
    const hub = await tracesAtHub([...secrets, key]);
    expect([...new Set(hub.map((trace) => trace.split(':')[0]))]).toEqual(['hub/customer_open']);
    expect((await tracesOnDisk(secrets)).tables).not.toEqual([]);
    expect(tracesIn('logs', Buffer.from(chain.logged.join('\n')), secrets)).toEqual([]);
  });

  it('is gone from every byte once he was erased, at head office and at every store', async () => {
    // A whole copy of a running box: his text and key are in it.
    await two!.edge.close();
    cpSync(two!.folder, join(archive, 'two-before'), { recursive: true });
    await two!.start();
    // Somebody still reads what was before: PostgreSQL keeps it for him, whoever writes the tables anew.
    const reader = new pg.Client({ connectionString: chain.hub.databaseUrl });
    await reader.connect();
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    // Of another table: a lock on this one would hold the scrub up by itself.
    await reader.query('SELECT count(*) FROM region');
    expect((await office().post(`/v1/customers/${id}/erase`)).data).toEqual({ erased: true, scrubbed: false });
    expect((await tracesOnDisk(secrets)).tables).not.toEqual([]);
    await reader.end();
    await eventually('scrubbed', async () => {
      const { data } = await office().post(`/v1/customers/${id}/erase`);
      expect(data.erased).toBe(false);
      return data.scrubbed === true;
    });
    for (const store of [one, two]) await erasedAt(store);
    const all = [...secrets, key];
    for (const store of [one, two, far]) expect(tracesAtStore(store, all)).toEqual([]);
    expect(await tracesAtHub(all)).toEqual([]);
    const { tables, log } = await tracesOnDisk(all);
    expect(tables).toEqual([]);
    // Told, not claimed: the text stays in PostgreSQL's log until that is recycled; the key never stood there bare.
    expect(log.filter((trace) => trace.endsWith('the key'))).toEqual([]);
    expect(tracesIn('logs', Buffer.from(chain.logged.join('\n')), all)).toEqual([]);
    expect((await at(one)).data).toMatchObject({ status: 410, code: 'customer-erased' });
    expect((await one!.manager.get('/v1/customers?search=zyx')).data.items).toEqual([]);
    expect((await office().get(`/v1/customers/${id}`)).status).toBe(410);
    expect((await one!.manager.patch(`/v1/customers/${id}`, { name: 'Back' })).status).toBe(410);
  });

  it('leaves every history whole', async () => {
    for (const [store, code] of [
      [one, 'B001'],
      [two, 'B002'],
    ] as const) {
      const { data } = await office().post(`/v1/fleet/${code}/verify`);
      expect(data).toMatchObject({ branch: code, outcome: 'equal', differences: [] });
      const { reads } = store!.edge.store;
      expect(examineFile(reads as Connection).filter(({ well }) => !well)).toEqual([]);
    }
  });

  it('is erased again from a copy of before at its first word with head office', async () => {
    await two!.edge.close();
    rmSync(two!.folder, { recursive: true, force: true });
    mkdirSync(two!.folder, { mode: 0o700 });
    cpSync(join(archive, 'two-before'), two!.folder, { recursive: true });
    two!.line.cut();
    await two!.start();
    expect((await at(two)).data).toMatchObject({ name: CHANGED.name });
    two!.line.restore();
    await erasedAt(two);
    expect(tracesAtStore(two, [...secrets, key])).toEqual([]);
  });

  it('is not in a backup in clear, and not in what is restored from it once head office has spoken', async () => {
    await one!.edge.close();
    await restore(join(one!.folder, 'edge.db'), join(archive, 'one-before.db'));
    await one!.start();
    await erasedAt(one);
    expect(tracesAtStore(one, [...secrets, key])).toEqual([]);
  });
});

/** The key is gone, and what was in the log with it. */
async function erasedAt(store: StoreHarness | undefined): Promise<void> {
  const { reads } = store!.edge.store;
  await eventually(`erased at ${store!.code}`, () => {
    const isErased = reads.get('SELECT 1 FROM erased_person WHERE person = ?', id) !== undefined;
    return isErased && reads.get('SELECT 1 FROM scrub_due') === undefined;
  });
}
