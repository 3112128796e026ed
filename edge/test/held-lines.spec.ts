import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LINE_SHAPES, type KindShapes } from '@branchline/replication/contracts.js';
import { z } from 'zod';
import { applyFetched, fetchedApplier } from '../src/apply-fetched.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import type { FetchedApplier } from '../src/store/command.js';
import { newBox } from '../src/store/testing/store-fixture.js';
import { broken, SALE_MINOR, WorldBox } from './branch-world.js';

/** What a box could not read of another's lines, and can after an upgrade. */
let hub: FakeHub;
let boxes: WorldBox[];
let a: WorldBox;

beforeEach(async () => {
  boxes = [];
  const identity = newBox();
  hub = await FakeHub.start(identity);
  a = await boxOf(WorldBox.start(identity));
});
afterEach(async () => {
  for (const box of boxes) {
    await box.close().catch(() => undefined);
    box.remove();
  }
  await hub.close();
});

async function boxOf(starting: Promise<WorldBox>): Promise<WorldBox> {
  const box = await starting;
  boxes.push(box);
  return box;
}

/** As a release has it that does not know these kinds yet. */
const without =
  (...kinds: string[]): FetchedApplier =>
  (tx, line, place) => {
    if (kinds.includes(line.kind)) throw new Error(`no applier for lines of kind ${line.kind}`);
    return applyFetched(tx, line, place);
  };

/** The box that takes the place of the first, with an older release. */
async function replacement(takes: FetchedApplier): Promise<WorldBox> {
  const { tenant, branch } = a.identity;
  const identity = newBox({ tenant, branch, epoch: 2 });
  hub.boxes.push(identity);
  hub.epoch = 1;
  const box = await boxOf(WorldBox.start(identity));
  await runs(box, takes);
  return box;
}

/** Another release is put on the box. */
async function runs(box: WorldBox, takes: FetchedApplier): Promise<void> {
  await box.close();
  box.takes = takes;
  await box.open();
}

const held = (box: WorldBox): number =>
  box.store.reads.get<{ n: number }>('SELECT count(*) AS n FROM journal WHERE applied = 3')?.n ?? 0;

/** Another release is put on the box, and starts where there is no line. */
async function upgraded(box: WorldBox, takes: FetchedApplier, stillHeld: number): Promise<void> {
  await runs(box, takes);
  const { replicator } = replicatorOn(box.store, 'http://127.0.0.1:1');
  replicator.start();
  try {
    await eventually(`${stillHeld} lines that are held still`, () => held(box) === stillHeld);
  } finally {
    await replicator.stop();
  }
}

describe('lines that an older release held', () => {
  it('are applied at the first start of one that knows them, in their order, and a rebuild comes to the same', async () => {
    await a.openShift();
    const told = await a.sellMany(3);
    await a.meet(hub);
    const b = await replacement(without('sale'));
    await b.meet(hub);
    expect([held(b), b.sales()]).toEqual([3, []]);
    const own = await b.sellMany(2);
    await upgraded(b, applyFetched, 0);
    own.push(await b.sell());
    expect(b.sales()).toEqual([...told, ...own].toSorted());
    expect(b.logged('lines-understood')).toEqual(['3 lines that were held are applied now, 0 were known']);
    own.push(await b.sell());
    await b.meet(hub);
    expect(await broken(b, hub, new Set([...told, ...own]))).toEqual([]);
    // Numbers of rows are theirs for good: nothing is applied once more by the next start.
    await upgraded(b, applyFetched, 0);
    expect(await broken(b, hub, new Set([...told, ...own]))).toEqual([]);
    expect(b.logged('lines-understood')).toHaveLength(1);
  });

  it('are applied by each release as far as it knows them', async () => {
    const shift = await a.openShift();
    const told = await a.sellMany(2);
    await a.closeShift(shift);
    await a.meet(hub);
    const b = await replacement(without('sale', 'shift-open', 'shift-close'));
    await b.meet(hub);
    expect(held(b)).toBe(4);
    await upgraded(b, without('sale'), 2);
    await b.openShift('D2');
    await b.sell();
    await upgraded(b, applyFetched, 0);
    expect(b.sales()).toHaveLength(3);
    await b.meet(hub);
    expect(await broken(b, hub, new Set(told))).toEqual([]);
  });

  it('stay where they are when they break their applier, and hold back none behind them', async () => {
    await a.openShift();
    const [first] = await a.sellMany(3);
    await a.meet(hub);
    const b = await replacement(without('sale'));
    await b.meet(hub);
    const buggy: FetchedApplier = (tx, line, place) => {
      const outcome = applyFetched(tx, line, place);
      if (line.key === first) throw new TypeError('a bug');
      return outcome;
    };
    await upgraded(b, buggy, 1);
    expect([b.sales().includes(String(first)), b.sales().length]).toEqual([false, 2]);
    expect(b.logged('line-held').filter((detail) => detail.includes('would not go in'))).toHaveLength(1);
    await upgraded(b, applyFetched, 0);
    expect(await broken(b, hub, new Set())).toEqual([]);
  });

  it('are all gone through, however many of those before them break their applier', async () => {
    await a.openShift();
    const told = await a.sellMany(130);
    await a.meet(hub);
    const b = await replacement(without('sale'));
    await b.meet(hub);
    const breaking = new Set(told.slice(0, 110));
    const buggy: FetchedApplier = (tx, line, place) => {
      if (breaking.has(line.key)) throw new TypeError('a bug');
      return applyFetched(tx, line, place);
    };
    await upgraded(b, buggy, 110);
    expect(b.sales()).toEqual(told.slice(110).toSorted());
    expect(b.logged('line-held')).toContain('110 lines that were held would not go in, and stay held');
  });

  it('and that had to be journalled again meanwhile become rows that refer to where they stand then', async () => {
    await a.openShift();
    const told = await a.sellMany(3);
    await a.meet(hub);
    const b = await replacement(without('sale'));
    await b.meet(hub);
    await b.sell();
    await b.meet(hub);
    // Head office loses all; what the dead box can give no more goes there under this one's name.
    hub.streams.clear();
    await b.meet(hub);
    expect(held(b)).toBe(3);
    await upgraded(b, applyFetched, 0);
    expect(b.sales()).toHaveLength(4);
    const { reads } = b.store;
    for (const id of told) {
      const place = reads.get<{ box: string; forked: number | null }>(
        'SELECT i.box, i.forked_from AS forked FROM sale s JOIN incarnation i ON i.no = s.incarnation_no WHERE s.id = ?',
        id,
      );
      expect(place).toEqual({ box: b.identity.box, forked: null });
    }
    expect(await broken(b, hub, new Set(told))).toEqual([]);
  });
});

describe('a line that another box wrote in a past contract', () => {
  /** As a release two contracts on has it, had nothing of a sale changed but its number. */
  const sale: KindShapes = {
    since: 3,
    past: [
      {
        since: 1,
        schema: z.looseObject({ till: z.string() }),
        upcast: (body) => ({ ...body, till: 'T9' }),
      },
    ],
  };

  it('becomes the rows of today, by its fetching as by a rebuild', async () => {
    await a.openShift();
    await a.sell();
    await a.meet(hub);
    const takes = fetchedApplier({ ...LINE_SHAPES, sale });
    const b = await replacement(takes);
    await b.meet(hub);
    expect(b.store.reads.all('SELECT till, total_minor AS total FROM sale')).toEqual([
      { till: 'T9', total: SALE_MINOR },
    ]);
    expect(await broken(b, hub, new Set(), { applyFetched: takes })).toEqual([]);
    // What it wrote itself before is as old to it as any.
    expect(await broken(a, hub, new Set())).toEqual([]);
    const rebuilt = await broken(a, hub, new Set(), { shapes: { ...LINE_SHAPES, sale } });
    expect(rebuilt.join()).toContain('till is T1, the journal says T9');
  });
});
