import { createReadStream, existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { spool } from '@branchline/http/spool.js';
import { BUNDLE_BYTES_MAX } from '@branchline/replication/bundle.js';
import { v7 } from 'uuid';
import { applyFetched } from './apply-fetched.js';
import { APPLIERS } from './appliers.js';
import { FEED_ROWS } from './feed-appliers.js';
import { moveReference } from './move-reference.js';
import { takeBundle, type BundleTaken } from './replicator/bundle-in.js';
import { noteBundleOut } from './replicator/bundle-noted.js';
import { bundleOut, type BundleOut } from './replicator/bundle-out.js';
import { loadBox, type BoxIdentity } from './store/box.js';
import { openReadOnly } from './store/read-connection.js';
import { Store } from './store/store.js';
import { EDGE_VERSION } from './version.js';

export type BundlePlace = { dataDir: string; witnessFile: string };

/**
 * Writes a bundle into a file, whole or not at all, while the edge sells: it reads, and only what is committed.
 * @throws EnvironmentFailure, Problem `no-hub-keys`
 */
export async function writeBundleFile({ dataDir }: BundlePlace, file: string, whole: boolean): Promise<BundleOut> {
  const box = enrolled(dataDir);
  const database = join(dataDir, 'edge.db');
  if (!existsSync(database)) throw new EnvironmentFailure(`there is no ${database}`);
  const connection = openReadOnly(database);
  try {
    const parts = { tx: connection, box, version: EDGE_VERSION, clock: systemClock, newId: v7 };
    const { out, bytes } = bundleOut(parts, whole);
    await writeWhole(file, bytes);
    noteBundleOut(dataDir, out);
    return out;
  } finally {
    connection.database.close();
  }
}

/**
 * Takes a bundle in where no edge runs; one that does takes it over HTTP, since one process writes to a file.
 * @throws EnvironmentFailure when an edge runs; what `takeBundle` throws
 */
export async function takeBundleFile({ dataDir, witnessFile }: BundlePlace, file: string): Promise<BundleTaken> {
  if (!existsSync(file)) throw new BadInput(`there is no ${file}`);
  const box = enrolled(dataDir);
  const alarm = (message: string): void => void process.stderr.write(`${message}\n`);
  const store = await Store.open({
    ...{ config: { databaseFile: join(dataDir, 'edge.db'), witnessFile }, box, appliers: APPLIERS },
    ...{ moveReference, applyFetched },
    ...{ clock: systemClock, newId: v7, alarm },
    onFatal: (error) => {
      throw error;
    },
  });
  try {
    // On a stick it may go, or change, while it is read.
    const spooled = await spool(createReadStream(file), dataDir, BUNDLE_BYTES_MAX);
    try {
      const { signal } = new AbortController();
      return await takeBundle({ store, kinds: FEED_ROWS, clock: systemClock, alarm, signal }, spooled.path);
    } finally {
      await spooled.remove();
    }
  } finally {
    await store.close();
  }
}

function enrolled(dataDir: string): BoxIdentity {
  const box = loadBox(dataDir);
  if (box === null) throw new EnvironmentFailure(`no box is enrolled in ${dataDir}`);
  return box;
}

async function writeWhole(file: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const beside = `${file}.new`;
  try {
    const handle = await open(beside, 'w', 0o600);
    try {
      for await (const piece of bytes) await handle.writeFile(piece);
      // A stick is pulled out as soon as it is said that all is there.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
    const folder = await open(dirname(file), 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    await rm(beside, { force: true });
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new EnvironmentFailure(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}
