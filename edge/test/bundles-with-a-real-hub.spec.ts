import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@branchline/domain/clock.js';
import type { ProtocolRange } from '@branchline/replication/protocol.js';
import { v7 } from 'uuid';
import { apiAt, create } from '../../hub/test/hub-harness.js';
import * as hubCommands from '../../hub/src/bundles/bundle-commands.js';
import { HubSecrets } from '../../hub/src/secrets.js';
import { takeBundleFile, writeBundleFile } from '../src/bundle-commands.js';
import { bundleOut } from '../src/replicator/bundle-out.js';
import { eventually } from '../src/replicator/testing/replicator-fixture.js';
import { BundleWorld, place, SENT, well, type Status, type Store } from './bundle-world.js';

let world: BundleWorld;
beforeAll(async () => void (world = await BundleWorld.start(300)));
afterAll(() => world.close());

describe('a store without a line', () => {
  let store: Store;
  beforeAll(async () => void (store = await world.openStore('B001')));

  it('sells for days, and a stick out and another in bring both sides level', async () => {
    for (let day = 0; day < 3; day++) {
      await world.sell(store, 12);
      await world.importProducts(world.products + 40);
      const taken = await well(world.intoHub(await world.upOf(store)));
      expect(taken).toMatchObject({ branch: 'B001', newLines: day === 0 ? 15 : 12 });
      const told = await well(world.intoEdge(store, await world.downOf('B001')));
      expect(told).toMatchObject({ isNewest: true, queue: 0, gaps: [] });
      await world.expectTheSame(store);
      await world.expectTheSameCatalogue(store);
    }
  });

  it('is told when something last went out and came in', async () => {
    const { bundles } = await world.statusOf(store);
    expect(bundles).toMatchObject({ linesOut: 12 });
    expect(Date.parse(String(bundles.lastOutAt))).toBeGreaterThan(0);
    expect(Date.parse(String(bundles.lastInAt))).toBeGreaterThanOrEqual(Date.parse(String(bundles.lastOutAt)));
  });

  it('writes a bundle by command while it sells', async () => {
    await world.sell(store, 3);
    const file = join(store.dataDir, 'stick');
    const [out] = await Promise.all([writeBundleFile(place(store), file, false), world.sell(store, 5)]);
    expect(out).toMatchObject({ damaged: [], isCut: false });
    expect(out.lines).toBeGreaterThanOrEqual(3);
    await expect(takeBundleFile(place(store), file)).rejects.toThrow('another edge is running');
  });

  it('is served by command at head office, too', async () => {
    await world.sell(store, 2);
    const own = { database: world.hub.database, secrets: HubSecrets.open(world.hub.secretsDir) };
    const [up, down] = [join(store.dataDir, 'up'), join(store.dataDir, 'down')];
    await writeBundleFile(place(store), up, false);
    const taken = await hubCommands.takeBundleFile(own, up);
    expect(taken).toMatchObject({ branch: 'B001', newLines: taken.lines });
    await hubCommands.writeBundleFile(own, down, { tenant: 'ACME', branch: 'B001' });
    expect(await well(world.intoEdge(store, readFileSync(down)))).toMatchObject({ isNewest: true, queue: 0 });
    await world.expectTheSame(store);
    await expect(hubCommands.takeBundleFile(own, down)).rejects.toThrow('for a store, not for head office');
    await expect(hubCommands.writeBundleFile(own, down, { tenant: 'ACME', branch: 'B9' })).rejects.toThrow(
      'no such box',
    );
  });

  it('goes on by line where bundles ended, and by bundles where the line ended', async () => {
    const [before, last] = [await world.upOf(store), await world.downOf('B001')];
    await well(world.intoEdge(store, last));
    await world.sell(store, 2);
    world.line.restore();
    await eventually('an empty queue', async () => (await world.statusOf(store)).queue === 0);
    await world.expectTheSame(store);
    world.line.cut();
    expect(await well(world.intoHub(before))).toMatchObject({ newLines: 0 });
    // It knows less than the line has taught since.
    expect(await well(world.intoEdge(store, last))).toMatchObject({ isNewest: false, queue: 0 });
    await world.sell(store, 4);
    await well(world.intoHub(await world.upOf(store)));
    await well(world.intoEdge(store, await world.downOf('B001')));
    await world.expectTheSame(store);
    await world.expectTheSameCatalogue(store);
  });
});

describe('an older bundle of head office', () => {
  it('takes nothing back that a newer one has brought', async () => {
    const store = await world.openStore('B006');
    await well(world.intoHub(await world.upOf(store)));
    const older = await world.downOf('B006');
    await world.sell(store, 3);
    await world.importProducts(world.products + 2);
    await well(world.intoHub(await world.upOf(store)));
    await well(world.intoEdge(store, await world.downOf('B006')));
    expect(await well(world.intoEdge(store, older))).toMatchObject({ isNewest: false, queue: 0 });
    await world.expectTheSame(store);
    await world.expectTheSameCatalogue(store);
  });

  it('takes nothing back that the line has taught since, though it is the newest of the bundles', async () => {
    const { api } = world.hub.admin;
    const store = await world.openStore('B021');
    const older = await world.downOf('B021');
    await create(api, '/v1/price-zones', { code: 'Z2', name: 'Zone 2', timeZone: 'Africa/Johannesburg' });
    const csv = `product,name,barcodes,taxClass,fractional,assortments,priceZone,priceMinor\nP1,Product 1,6001,STD,no,A1,Z2,5000\n`;
    const imported = await api.post('/v1/imports/products', csv, { headers: { 'content-type': 'text/csv' } });
    expect(imported.data).toMatchObject({ bad: [] });
    expect((await api.patch('/v1/branches/B021', { priceZone: 'Z2' })).status).toBe(200);
    await world.hub.numbered();
    const minorOfP1 = () => store.edge.store.reads.get(`SELECT minor FROM price WHERE product = 'P1'`);
    const scopes = async () => (await world.statusOf(store)).cursors.map(({ scope }) => scope);
    world.line.restore();
    try {
      await eventually('the other zone', () => (minorOfP1() as { minor: number }).minor === 5_000);
      await eventually('an empty queue', async () => (await world.statusOf(store)).queue === 0);
    } finally {
      world.line.cut();
    }
    const followed = await scopes();
    expect(await well(world.intoEdge(store, older))).toMatchObject({ isNewest: false, queue: 0 });
    expect([await scopes(), minorOfP1()]).toEqual([followed, { minor: 5_000 }]);
    // One that was made since is believed again.
    expect(await well(world.intoEdge(store, await world.downOf('B021')))).toMatchObject({ isNewest: true, gaps: [] });
    expect([await scopes(), minorOfP1()]).toEqual([followed, { minor: 5_000 }]);
  });
});

describe('an older bundle of a store', () => {
  it('that comes after a newer one is not its last word: nothing is said of the store that was not said before', async () => {
    const store = await world.openStore('B031');
    await world.sell(store, 2);
    const older = await world.upOf(store);
    await world.sell(store, 2);
    expect(await well(world.intoHub(await world.upOf(store)))).toMatchObject({ isNewest: true });
    const said = async (): Promise<unknown[]> => {
      const { data } = await world.hub.admin.api.get('/v1/fleet', { params: { limit: 100 } });
      const notes = await world.hub.database.asOwner(
        `SELECT n.* FROM box_bundle n JOIN branch ON branch.id = n.branch_id WHERE branch.code = 'B031'`,
      );
      return [data.items.find(({ branch }: { branch: string }) => branch === 'B031'), notes];
    };
    const before = await said();
    expect(before).toEqual([expect.objectContaining({ appliedSeq: 7 }), [expect.anything()]]);
    const taken = await well(world.intoHub(older));
    expect(taken).toMatchObject({ isNewest: false, newLines: 0, streams: [{ appliedSeq: 7, refused: null }] });
    expect(await said()).toEqual(before);
    await well(world.intoEdge(store, await world.downOf('B031')));
    await world.expectTheSame(store);
  });
});

describe('a box that is newer than head office', () => {
  it('writes bundles as head office said that it speaks, and one that it cannot read tells what is to be done', async () => {
    const store = await world.openStore('B030');
    await world.sell(store, 2);
    const written = async (spoken: ProtocolRange): Promise<Buffer> => {
      const { reads: tx, box } = store.edge.store;
      const parts: Buffer[] = [];
      const made = bundleOut({ tx, box, version: '9', clock: systemClock, newId: v7, spoken }, false);
      for await (const part of made.bytes) parts.push(part);
      return Buffer.concat(parts);
    };
    const { status, data } = await world.intoHub(await written({ from: 2, to: 4 }));
    expect([status, data]).toMatchObject([426, { code: 'protocol', spoken: [1, 1] }]);
    expect(data.detail).toContain('in protocol 4, head office speaks 1: nothing of it was taken');
    expect(data.detail).toContain('Take a bundle of this head office to the store');
    const taken = await well(world.intoHub(await written({ from: 1, to: 3 })));
    expect(taken).toMatchObject({ isNewest: true, newLines: 5 });
    await well(world.intoEdge(store, await world.downOf('B030')));
    await world.expectTheSame(store);
  });
});

describe('bundles in any order, any number of times', () => {
  it('bring both sides to the same state as the line', async () => {
    const store = await world.openStore('B002');
    const steps = fc.array(fc.constantFrom('sell', 'publish', 'up', 'down', 'in', 'out'), {
      minLength: 6,
      maxLength: 14,
    });
    const ups: Buffer[] = [];
    const downs: Buffer[] = [];
    let asked = 0;
    const any = (from: Buffer[]): Buffer | undefined => from[(asked = (asked * 31 + 7) % 1_000) % (from.length || 1)];
    await fc.assert(
      fc.asyncProperty(steps, async (wanted) => {
        for (const step of wanted) {
          if (step === 'sell') await world.sell(store, 2);
          if (step === 'publish') await world.importProducts(world.products + 3);
          if (step === 'out') ups.push(await world.upOf(store, ups.length % 3 === 0 ? '?whole=true' : ''));
          if (step === 'down') downs.push(await world.downOf('B002'));
          const [up, down] = [any(ups), any(downs)];
          if (step === 'up' && up) await well(world.intoHub(up));
          if (step === 'in' && down) await well(world.intoEdge(store, down));
        }
        await well(world.intoHub(await world.upOf(store)));
        await well(world.intoEdge(store, await world.downOf('B002')));
        await world.expectTheSame(store);
        await world.expectTheSameCatalogue(store);
      }),
      { numRuns: 20, endOnFailure: true },
    );
    await world.expectVerified(store);
  }, 120_000);
});

describe('a bundle that is not what it should be', () => {
  let store: Store;
  let other: Store;
  let up: Buffer;
  let down: Buffer;
  beforeAll(async () => {
    store = await world.openStore('B003');
    other = await world.openStore('B004');
    await world.sell(store, 5);
    up = await world.upOf(store);
    await world.importProducts(world.products + 5);
    down = await world.downOf('B003');
  });

  const stateOfHub = (): Promise<unknown> =>
    world.hub.database.asOwner(
      "SELECT branch_id, applied_seq, encode(head_hash, 'hex') FROM incarnation ORDER BY 1, 2",
    );
  const incidents = async (): Promise<string[]> =>
    (await world.hub.admin.api.get('/v1/incidents?limit=100')).data.items.map(({ key }: { key: string }) => key);

  it('is refused whole, without effect, when a byte of it was changed or it was cut', async () => {
    const before = [await stateOfHub(), await world.statusOf(store)];
    for (const at of [25, 60, 200, 400, 700, up.length - 70, up.length - 1]) {
      const changed = Buffer.from(up);
      changed[at] = (changed[at] as number) ^ 1;
      const { status, data } = await world.intoHub(changed);
      expect([at, status, ['malformed-bundle', 'bundle-forged', 'bundle-not-ours'].includes(data.code)]).toEqual([
        ...[at, data.code === 'bundle-not-ours' ? 403 : 400, true],
      ]);
      const changedDown = Buffer.from(down);
      const there = at < up.length - 100 ? at : down.length - (up.length - at);
      changedDown[there] = (changedDown[there] as number) ^ 1;
      expect((await world.intoEdge(store, changedDown)).status).toBeGreaterThanOrEqual(400);
    }
    for (const length of [0, 10, 300, up.length - 64, up.length - 1]) {
      expect((await world.intoHub(up.subarray(0, length))).status).toBeGreaterThanOrEqual(400);
      expect((await world.intoEdge(store, down.subarray(0, length))).status).toBeGreaterThanOrEqual(400);
    }
    const after = await world.statusOf(store);
    expect([await stateOfHub(), { ...after, attempts: 0, nextAttemptAt: null }]).toEqual([
      ...[before[0], { ...(before[1] as Status), attempts: 0, nextAttemptAt: null }],
    ]);
    expect((await incidents()).some((key) => key.startsWith('bundle-forged'))).toBe(true);
    const log = await store.manager.get('/v1/sync/log?limit=50');
    expect(log.data.items.some(({ event }: { event: string }) => event === 'bundle-refused')).toBe(true);
  });

  it('is refused by a box, a branch and a chain whose it is not', async () => {
    expect((await world.intoEdge(other, down)).data.code).toBe('bundle-not-ours');
    expect((await world.intoEdge(store, up)).data.code).toBe('malformed-bundle');
    expect((await world.intoHub(down)).data.code).toBe('malformed-bundle');
    const stranger = await world.hub.newTenant('OTHER');
    expect((await world.intoHub(up, stranger.api)).data.code).toBe('bundle-not-ours');
    expect((await stranger.api.get('/v1/bundles/B003')).status).toBe(404);
  });

  it('is taken, and given, only by who may carry', async () => {
    expect((await world.intoHub(up, world.hub.anonymous)).status).toBe(401);
    expect((await world.hub.anonymous.get('/v1/bundles/B003')).status).toBe(401);
    expect((await apiAt(store.edge.url).get('/v1/sync/bundle')).status).toBe(401);
    expect((await apiAt(store.edge.url).post('/v1/sync/bundle', down, SENT)).status).toBe(401);
  });

  it('is in the audit, with who carried it', async () => {
    const taken = await well(world.intoHub(up));
    await world.downOf('B003');
    const { data } = await world.hub.admin.api.get('/v1/audit?limit=200');
    const actions = data.items.map(({ action, detail }: { action: string; detail: { bundle?: string } }) => {
      return [action, detail.bundle];
    });
    expect(actions).toContainEqual(['bundle.in', taken['bundle']]);
    expect(actions.some(([action]: [string]) => action === 'bundle.out')).toBe(true);
  });

  it('of a box that was revoked is refused, and none is made for it', async () => {
    const { api } = world.hub.admin;
    const [box] = (await api.get('/v1/branches/B004/boxes')).data.items as { box: string }[];
    const last = await world.upOf(other);
    expect((await api.post(`/v1/branches/B004/boxes/${box?.box}/revoke`)).status).toBe(200);
    expect((await world.intoHub(last)).data.code).toBe('box-revoked');
    expect((await incidents()).some((key) => key.startsWith('box-revoked'))).toBe(true);
    expect((await api.get('/v1/bundles/B004')).data.code).toBe('box-revoked');
  });
});

describe('a box that was restored from a backup between two bundles', () => {
  it('keeps every sale: what it sold before is at head office, what it sold since comes in a history of its own', async () => {
    const store = await world.openStore('B005');
    await world.sell(store, 4);
    await well(world.intoHub(await world.upOf(store)));
    const backup = await world.backupOf(store);
    await world.sell(store, 3);
    const later = await world.upOf(store);
    await well(world.intoHub(later));
    await world.restore(store, backup);
    await world.sell(store, 2);
    const afterRestore = await world.upOf(store);
    const taken = (await well(world.intoHub(afterRestore))) as { streams: { refused: { code: string } | null }[] };
    expect(taken.streams.map(({ refused }) => refused?.code)).toEqual(['fork']);
    await well(world.intoHub(later));
    await well(world.intoEdge(store, await world.downOf('B005')));
    expect((await world.statusOf(store)).epoch).toBe(2);
    await well(world.intoHub(await world.upOf(store)));
    await well(world.intoEdge(store, await world.downOf('B005')));
    await world.expectTheSame(store);
    await world.expectVerified(store);
  });
});
