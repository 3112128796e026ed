import { z } from 'zod';
import { scopeSchema } from './feed.js';
import { hash, id } from './kinds/fields.js';

/**
 * `GET /sync/v1/snapshot/:scope`: a scope as it stood at one number, as a SQLite file, so that a new reader takes what
 * stands and not all that ever was. What was superseded or deleted is not in it.
 *
 * Table `snapshot` has one row. Table `record` has one for each thing that stands: `release` null. A record of a release
 * whose final record was not numbered yet bears its release and is to be staged like one of the feed, in the order of
 * `number`; what it is going to replace stands in a row of its own. The file's SHA-256 proves the bodies: hashes of each would
 * be half of what goes over the line.
 */
export const SNAPSHOT_SCHEMA = [
  `CREATE TABLE snapshot (
     scope TEXT NOT NULL, hub_epoch TEXT NOT NULL, number INTEGER NOT NULL, hash TEXT NOT NULL, contract INTEGER NOT NULL)`,
  `CREATE TABLE record (
     no INTEGER PRIMARY KEY, number INTEGER NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
     contract INTEGER NOT NULL, release TEXT, deleted INTEGER NOT NULL, body TEXT NOT NULL)`,
];

export const SNAPSHOT_MEDIA_TYPE = 'application/vnd.sqlite3';

/** JSON of `SnapshotFacts`, with the answer: what the whole file will be, whatever part of it is sent, however it is encoded. */
export const SNAPSHOT_HEADER = 'branchline-snapshot';

export const snapshotFactsSchema = z.looseObject({
  scope: scopeSchema,
  hubEpoch: id,
  /** Where the feed goes on: the number of its newest record in the file, and the chain's hash there. */
  number: z.int().min(0),
  hash,
  contract: z.int().min(1),
  /** Rows of `record`. */
  records: z.int().min(0),
  /** Of the SQLite file itself. */
  bytes: z.int().min(0),
  sha256: hash,
});
export type SnapshotFacts = z.infer<typeof snapshotFactsSchema>;

export type SnapshotRecord = {
  number: number;
  kind: string;
  key: string;
  version: number;
  contract: number;
  release: string | null;
  deleted: 0 | 1;
  /** JSON */
  body: string;
};
