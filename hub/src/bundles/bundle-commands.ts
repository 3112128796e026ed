import { createReadStream, existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { systemClock } from '@branchline/domain/clock.js';
import { BadInput, EnvironmentFailure } from '@branchline/http/exit.js';
import { Problem } from '@branchline/http/problem.js';
import { spool } from '@branchline/http/spool.js';
import { BUNDLE_BYTES_MAX } from '@branchline/replication/bundle.js';
import { BundleFile } from '@branchline/replication/bundle-file.js';
import { Registry } from 'prom-client';
import { v7 } from 'uuid';
import { HUB_ACTOR } from '../audit/record-audit.js';
import type { Database } from '../database/unit-of-work.js';
import { Snapshots } from '../feed/snapshots.js';
import type { HubSecrets } from '../secrets.js';
import { IngestMetrics } from '../sync/ingest-metrics.js';
import { PushLane } from '../sync/push-lane.js';
import { PushTroubles } from '../sync/push-troubles.js';
import type { Carrier } from './bundle-box.js';
import { makeBundle } from './make-bundle.js';
import type { BundleParts } from './bundle-parts.js';
import { takeBundle, type BundleTaken } from './take-bundle.js';

type Own = { database: Database; secrets: HubSecrets };

/** Beside the server, on the same database: the branch's lock decides between them. @throws BadInput for what is refused */
export async function takeBundleFile(own: Own, file: string): Promise<BundleTaken> {
  if (!existsSync(file)) throw new BadInput(`there is no ${file}`);
  // On a stick it may go, or change, while it is read.
  const spooled = await spool(createReadStream(file), tmpdir(), BUNDLE_BYTES_MAX);
  try {
    return await asBadInput(async () => {
      const tenantId = await tenantIn(own.database, spooled.path);
      return withParts(own, (parts) => takeBundle(parts, operatorOf(tenantId), spooled.path));
    });
  } finally {
    await spooled.remove();
  }
}

export type AskedOfCommand = { tenant: string; branch: string; box?: string; bytesMax?: number };

/** @throws BadInput when there is no such tenant, branch or box; EnvironmentFailure */
export async function writeBundleFile(
  own: Own,
  file: string,
  { tenant, branch: branchCode, box: boxId, bytesMax }: AskedOfCommand,
): Promise<{ bundle: string; branch: string; box: string; file: string; isCut: boolean }> {
  const carrier = operatorOf(await tenantOf(own.database, tenant));
  return withParts(own, async (parts) => {
    const made = await asBadInput(() => makeBundle(parts, carrier, { branchCode, box: boxId, bytesMax }));
    await writeWhole(file, made.bytes);
    const { bundle, box, end } = made;
    return { bundle, branch: box.branchCode, box: box.boxId, file, isCut: end.isCut };
  });
}

async function writeWhole(file: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const beside = `${file}.new`;
  try {
    const handle = await open(beside, 'w', 0o600);
    try {
      for await (const piece of bytes) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new EnvironmentFailure(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

async function withParts<T>({ database, secrets }: Own, work: (parts: BundleParts) => Promise<T>): Promise<T> {
  const say = (message: unknown): void => void process.stderr.write(`${JSON.stringify(message)}\n`);
  const snapshots = new Snapshots(database, tmpdir());
  try {
    return await work({
      ...{ database, secrets, snapshots, clock: systemClock, newId: v7, lane: new PushLane() },
      ...{ metrics: new IngestMetrics(new Registry()), troubles: new PushTroubles(systemClock, 0), bulk: null },
      logger: { log: say, warn: say, error: say },
    });
  } finally {
    await snapshots.close();
  }
}

export const operatorOf = (tenantId: string): Carrier => ({
  actor: HUB_ACTOR,
  tenantId,
  grants: 'operator of the hub',
});

async function asBadInput<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Problem ? new BadInput(`${error.detail} (${error.code})`) : error;
  }
}

/** The chain that the bundle names; whether the bundle is of it is proved after it. */
async function tenantIn(database: Database, path: string): Promise<string> {
  const file = await BundleFile.open(path).catch((error: Error) => {
    throw new BadInput(error.message);
  });
  await file.close();
  const { tenant } = file.header;
  const known = await database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id');
  if (!known.some(({ id }) => id === tenant)) throw new BadInput('it is of no chain of this head office');
  return tenant;
}

async function tenantOf(database: Database, code: string): Promise<string> {
  for (const { id } of await database.asOwner<{ id: string }>('SELECT branchline_tenants() AS id')) {
    const found = await database.transaction(id, (tx) =>
      tx.query<{ code: string }>('SELECT code FROM tenant WHERE tenant_id = $1 AND code = $2', [id, code]),
    );
    if (found.length > 0) return id;
  }
  throw new BadInput(`there is no tenant ${code}`);
}
