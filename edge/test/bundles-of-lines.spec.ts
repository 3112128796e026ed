import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { v7 } from 'uuid';
import { create } from '../../hub/test/hub-harness.js';
import { BundleWorld, well, type Store } from './bundle-world.js';

let world: BundleWorld;
beforeAll(async () => void (world = await BundleWorld.start(20)));
afterAll(() => world.close());

const salesAt = (store: Store): number =>
  store.edge.store.reads.get<{ n: number }>('SELECT count(*) AS n FROM sale')?.n ?? 0;
const up = (store: Store): Promise<unknown> => world.upOf(store).then((bundle) => well(world.intoHub(bundle)));
const down = (store: Store): Promise<Record<string, unknown>> =>
  world.downOf(store.branch).then((bundle) => well(world.intoEdge(store, bundle)));
const eventsAt = async (store: Store): Promise<string[]> =>
  (await store.manager.get('/v1/sync/log?limit=100')).data.items.map(({ event }: { event: string }) => event);

describe('a box that was restored from a backup', () => {
  it('and has sold nothing since gets its lines back, and goes on in its history', async () => {
    const store = await world.openStore('B001');
    await world.sell(store, 4);
    await up(store);
    const backup = await world.backupOf(store);
    await world.sell(store, 3);
    await up(store);
    await world.restore(store, backup);
    expect(salesAt(store)).toBe(4);
    await up(store);
    expect(await down(store)).toMatchObject({ behind: 0, queue: 0 });
    expect(salesAt(store)).toBe(7);
    expect(await eventsAt(store)).toContain('incarnation-goes-on');
    await world.sell(store, 2);
    await up(store);
    await down(store);
    expect((await world.statusOf(store)).epoch).toBe(1);
    expect(salesAt(store)).toBe(9);
    await world.expectTheSame(store);
    await world.expectVerified(store);
  });

  it('and sold on before the answer came finds where they part from the lines that came', async () => {
    const store = await world.openStore('B002');
    await world.sell(store, 4);
    await up(store);
    const backup = await world.backupOf(store);
    await world.sell(store, 3);
    await up(store);
    await world.restore(store, backup);
    await up(store);
    const answer = await world.downOf(store.branch);
    await world.sell(store, 2);
    expect(await well(world.intoEdge(store, answer))).toMatchObject({ behind: 0 });
    expect(salesAt(store)).toBe(9);
    expect(await eventsAt(store)).toContain('fork');
    for (let times = 0; times < 2; times += 1) await well(world.intoEdge(store, answer));
    await up(store);
    await down(store);
    expect(salesAt(store)).toBe(9);
    await world.expectTheSame(store);
    await world.expectVerified(store);
  });

  it.each([
    ['less', 'B006', 2],
    ['more', 'B007', 6],
  ])(
    'and sold %s since than head office has is level with it after one bundle out and one in',
    async (_what, branch, since) => {
      const store = await world.openStore(branch);
      await world.sell(store, 4);
      await up(store);
      await down(store);
      const backup = await world.backupOf(store);
      await world.sell(store, 3);
      await up(store);
      await down(store);
      await world.restore(store, backup);
      await world.sell(store, since);
      const taken = (await up(store)) as { streams: { refused: { code: string } | null }[] };
      expect(taken.streams.map(({ refused }) => refused?.code)).toEqual(['fork']);
      const answer = await world.downOf(branch);
      expect(await well(world.intoEdge(store, answer))).toMatchObject({ behind: 0 });
      expect(salesAt(store)).toBe(7 + since);
      await well(world.intoEdge(store, answer));
      await up(store);
      await down(store);
      await world.expectTheSame(store);
      await world.expectVerified(store);
      // What both had before they parted was not journalled once more.
      expect(store.edge.store.reads.get('SELECT count(*) AS n FROM journal WHERE applied = 0')).toEqual({ n: since });
    },
  );

  it('writes nothing more to its history once a bundle from before shows that more of it is at head office', async () => {
    const store = await world.openStore('B003');
    await world.sell(store, 4);
    await up(store);
    const backup = await world.backupOf(store);
    // Not so many that a hash which was asked for is at the end of what the backup has.
    await world.sell(store, 4);
    const before = await world.upOf(store);
    await well(world.intoHub(before));
    const answer = await world.downOf(store.branch);
    await world.restore(store, backup);
    expect(await well(world.intoEdge(store, answer))).toMatchObject({ isNewest: true });
    await world.sell(store, 2);
    expect((await world.statusOf(store)).epoch).toBe(2);
    await well(world.intoHub(before));
    await up(store);
    await well(world.intoHub(before));
    await down(store);
    await up(store);
    await down(store);
    expect(salesAt(store)).toBe(10);
    await well(world.intoEdge(store, answer));
    await world.expectTheSame(store);
    await world.expectVerified(store);
  });
});

describe('a box that replaces another', () => {
  it('gets by bundle all that the store ever wrote, and sells on in a history of its own', async () => {
    const store = await world.openStore('B004');
    await world.sell(store, 30);
    await up(store);
    await world.closeEdge(store.edge);
    const dataDir = await world.enrolled('B004');
    const tillCode = await world.codeFor('B004', { for: 'device', till: 'T2' });
    await world.hub.numbered();
    const answer = await world.downOf('B004');
    for (let times = 0; times < 2; times += 1)
      expect(await world.carriedTo(dataDir, answer)).toMatchObject({ behind: 0, gaps: [] });
    const next = { ...(await world.signedIn('B004', dataDir, tillCode)), sold: store.sold };
    expect(salesAt(next)).toBe(30);
    await create(next.manager, '/v1/shifts', { id: v7(), drawer: 'D2', floatMinor: 0 });
    await world.sell(next, 1, 'T2');
    await up(next);
    await down(next);
    expect(salesAt(next)).toBe(31);
    await world.expectTheSame(next);
  });
});

describe('bundles and restores in any order, any number of times', () => {
  it('lose no sale that head office was ever brought, and double none', async () => {
    const store = await world.openStore('B005');
    const steps = fc.array(fc.constantFrom('sell', 'up', 'down', 'in', 'out', 'backup', 'restore'), {
      minLength: 6,
      maxLength: 14,
    });
    const ups: Buffer[] = [];
    const downs: Buffer[] = [];
    const folders: string[] = [await world.backupOf(store)];
    let asked = 0;
    const any = <T>(from: readonly T[]): T | undefined => from[(asked = (asked * 31 + 7) % 1_000) % (from.length || 1)];
    await fc.assert(
      fc.asyncProperty(steps, async (wanted) => {
        for (const step of wanted) {
          if (step === 'sell') await world.sell(store, 2);
          if (step === 'out') ups.push(await world.upOf(store, ups.length % 3 === 0 ? '?whole=true' : ''));
          if (step === 'down') downs.push(await world.downOf('B005'));
          if (step === 'backup') folders.push(await world.backupOf(store));
          const [later, older, folder] = [any(ups), any(downs), any(folders)];
          if (step === 'up' && later) await well(world.intoHub(later));
          if (step === 'in' && older) await well(world.intoEdge(store, older));
          if (step === 'restore' && folder) {
            // What dies with a file that nobody was brought is lost by any way.
            await up(store);
            await down(store);
            await up(store);
            await world.restore(store, folder);
          }
        }
        for (let times = 0; times < 4; times += 1) {
          await up(store);
          await down(store);
        }
        expect(salesAt(store)).toBe(store.sold);
        await world.expectTheSame(store);
      }),
      { numRuns: 8, endOnFailure: true },
    );
    await world.expectVerified(store);
  }, 240_000);
});
