import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { setImmediate as othersTurn } from 'node:timers/promises';
import { constants, createBrotliCompress } from 'node:zlib';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { SNAPSHOT_SCHEMA, type SnapshotFacts, type SnapshotRecord } from '@branchline/replication/snapshot.js';
import BetterSqlite3 from 'better-sqlite3';
import type { Tx } from '../database/unit-of-work.js';
import { feedStand } from './read-feed.js';
import { snapshotRecords } from './snapshot-records.js';

/** A file of it that can be sent: the SQLite file itself, or the same compressed. `sha256` is of these bytes. */
export type SnapshotFile = { path: string; bytes: number; sha256: string };
export type Snapshot = { facts: SnapshotFacts; plain: SnapshotFile; brotli: SnapshotFile };

/** Made once for many boxes. On real catalogues 9 times smaller; 9 would take four times as long for a tenth less. */
const BROTLI_QUALITY = 5;

/** One transaction that sees one moment. */
type Reading = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

/**
 * Writes a scope, as one transaction sees it, into a file beside `path`, and gives it its name when it is whole and on the
 * disk. The same records give the same bytes, so that a download goes on at another hub process. Rows go in by some hundred
 * at a time, and the hub serves on in between.
 */
export async function writeSnapshot(reading: Reading, scope: string, path: string): Promise<Snapshot> {
  const part = `${path}.part`;
  try {
    const filled = await reading((tx) => fill(tx, scope, part));
    const plain = await finished(part, path);
    await pipeline(createReadStream(path), compressor(plain.bytes), createWriteStream(part, { mode: 0o600 }));
    const brotli = await finished(part, `${path}.br`);
    return { facts: { ...filled, bytes: plain.bytes, sha256: plain.sha256 }, plain, brotli };
  } finally {
    await rm(part, { force: true });
  }
}

type Filled = Pick<SnapshotFacts, 'scope' | 'hubEpoch' | 'number' | 'hash' | 'contract' | 'records'>;

/** No journal and no waiting for the disk: a file that did not come to its end never bears its name. */
async function fill(tx: Tx, scope: string, part: string): Promise<Filled> {
  const { hubEpoch, newest } = await feedStand(tx, scope, 0);
  const { hashThere: hash } = await feedStand(tx, scope, newest);
  if (hash === null) throw new Error(`${scope} has no hash at its head`);
  const head = { scope, hubEpoch, number: newest, hash, contract: CONTRACT };
  await rm(part, { force: true });
  const database = new BetterSqlite3(part);
  try {
    database.pragma('journal_mode = OFF');
    database.pragma('synchronous = OFF');
    for (const sql of SNAPSHOT_SCHEMA) database.exec(sql);
    database.prepare('INSERT INTO snapshot VALUES (@scope, @hubEpoch, @number, @hash, @contract)').run(head);
    const insert = database.prepare(INSERT_RECORD);
    const insertAll = database.transaction((records: SnapshotRecord[]) => {
      for (const record of records) insert.run(record);
    });
    let count = 0;
    for await (const records of snapshotRecords(tx, scope)) {
      insertAll(records);
      count += records.length;
      await othersTurn();
    }
    return { ...head, records: count };
  } finally {
    database.close();
  }
}

const INSERT_RECORD = `
INSERT INTO record (number, kind, key, version, contract, release, deleted, body)
VALUES (@number, @kind, @key, @version, @contract, @release, @deleted, @body)`;

function compressor(bytes: number): ReturnType<typeof createBrotliCompress> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
  };
  return createBrotliCompress({ params });
}

/** On the disk before it bears its name. */
async function finished(part: string, path: string): Promise<SnapshotFile> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(part)) hash.update(piece as Buffer);
  const file = await open(part, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  return { path, bytes: (await stat(path)).size, sha256: hash.digest('hex') };
}
