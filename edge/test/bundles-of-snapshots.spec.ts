import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { operatorOf } from '../../hub/src/bundles/bundle-commands.js';
import { makeBundle } from '../../hub/src/bundles/make-bundle.js';
import { Retirer } from '../../hub/src/feed/retirer.js';
import { Snapshots } from '../../hub/src/feed/snapshots.js';
import { SYNC_PARTS, type SyncParts } from '../../hub/src/sync/sync-parts.js';
import { writeBundleFile } from '../src/bundle-commands.js';
import { openReadOnly } from '../src/store/read-connection.js';
import { BundleWorld, place, well } from './bundle-world.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** So many that a scope of them is told as it stands, and not by all that ever was. */
const PRODUCTS = 2_300;

let world: BundleWorld;
beforeAll(async () => void (world = await BundleWorld.start(PRODUCTS)));
afterAll(() => world.close());

/** With less room than head office is ever asked for. */
async function madeFor(branchCode: string, bytesMax: number): Promise<{ bundle: Buffer; isCut: boolean }> {
  const { app } = world.hub.hub;
  const logger = { log: () => undefined, warn: () => undefined, error: () => undefined };
  const parts = { ...app.get<SyncParts>(SYNC_PARTS), snapshots: app.get(Snapshots), logger };
  const carrier = operatorOf(world.hub.admin.tenantId);
  const made = await makeBundle(parts, carrier, { branchCode, bytesMax, partBytes: bytesMax / 4 });
  const pieces: Buffer[] = [];
  for await (const piece of made.bytes) pieces.push(piece);
  const bundle = Buffer.concat(pieces);
  expect(bundle.length).toBeLessThanOrEqual(bytesMax);
  return { bundle, isCut: made.end.isCut };
}

/** Of a box that does not run. */
async function saidByFolder(dataDir: string): Promise<Buffer> {
  const file = join(dataDir, 'up');
  await writeBundleFile(place({ dataDir }), file, false);
  return readFileSync(file);
}

function countsIn(dataDir: string): Record<string, number> {
  const connection = openReadOnly(join(dataDir, 'edge.db'));
  try {
    const count = (table: string): number =>
      connection.get<{ n: number }>(`SELECT count(*) AS n FROM ${table} JOIN feed_take t ON t.no = take AND t.visible`)
        ?.n ?? 0;
    return { products: count('product'), prices: count('price') };
  } finally {
    connection.database.close();
  }
}

describe('a new box that never has a line', () => {
  it('gets its scopes as they stand, by as many bundles as there is room in', async () => {
    const { branch } = await world.openStore('B001');
    const dataDir = await world.enrolled(branch);
    const taken: { bundle: Buffer; gaps: string[] }[] = [];
    let isCut = true;
    while (isCut) {
      const made = await madeFor(branch, 16 * 1024);
      isCut = made.isCut;
      const { gaps, isNewest } = await world.carriedTo(dataDir, made.bundle);
      expect(isNewest).toBe(true);
      taken.push({ bundle: made.bundle, gaps });
      // Once more, and an older one after it: nothing goes back.
      await world.carriedTo(dataDir, made.bundle);
      if (taken.length > 1) await world.carriedTo(dataDir, taken.at(-2)!.bundle);
      await well(world.intoHub(await saidByFolder(dataDir)));
      expect(taken.length).toBeLessThan(40);
    }
    expect(taken.length).toBeGreaterThan(3);
    expect(taken.some(({ gaps }) => gaps.length > 0)).toBe(true);
    expect(taken.at(-1)?.gaps).toEqual([]);
    expect(countsIn(dataDir)).toEqual({ products: PRODUCTS, prices: PRODUCTS });
  });

  it('gets all of it at once where there is room', async () => {
    const store = await world.openStore('B002');
    await world.expectTheSameCatalogue(store);
    await world.sell(store, 1);
    await well(world.intoHub(await world.upOf(store)));
    await well(world.intoEdge(store, await world.downOf('B002')));
    await world.expectTheSame(store);
  });
});

describe('a box that was away for longer than the feed reaches back', () => {
  it('takes the scope as it stands, and shows what it had until that is whole', async () => {
    const store = await world.openStore('B003');
    await well(world.intoHub(await world.upOf(store)));
    const before = await world.downOf('B003');
    await world.importProducts(PRODUCTS + 5);
    await world.hub.database.asOwner(`UPDATE feed_record SET numbered_at = now() - interval '31 days'`);
    await world.hub.hub.app.get(Retirer).run();
    await world.importProducts(PRODUCTS + 7);
    const after = await world.downOf('B003');
    expect((await world.hub.database.asOwner('SELECT 1 FROM feed_head WHERE floor > 0')).length).toBeGreaterThan(0);
    expect(await well(world.intoEdge(store, after))).toMatchObject({ isNewest: true, gaps: [] });
    await world.expectTheSameCatalogue(store);
    for (const again of [before, after]) expect(await well(world.intoEdge(store, again))).toMatchObject({ gaps: [] });
    await world.expectTheSameCatalogue(store);
    await world.sell(store, 2);
    await well(world.intoHub(await world.upOf(store)));
    await well(world.intoEdge(store, await world.downOf('B003')));
    await world.expectTheSame(store);
  });

  it('and whose hub was restored since takes all of it again', async () => {
    const store = await world.openStore('B004');
    await well(world.intoHub(await world.upOf(store)));
    await world.hub.database.asOwner('UPDATE hub_state SET hub_epoch = $1', [v7()]);
    const { bundle } = await madeFor('B004', 64 * 1024 * 1024);
    expect(await well(world.intoEdge(store, bundle))).toMatchObject({ isNewest: true, gaps: [] });
    await world.expectTheSameCatalogue(store);
  });
});
