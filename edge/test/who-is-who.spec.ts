import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { rawPublicKey } from '@branchline/replication/head-signature.js';
import { readHead } from '../src/store/journal.js';
import { FakeHub } from '../src/replicator/testing/fake-hub.js';
import { noteSeen } from '../src/replicator/seen-lines.js';
import { readHistories } from '../src/replicator/push-state.js';
import { eventually, replicatorOn } from '../src/replicator/testing/replicator-fixture.js';
import { newBox } from '../src/store/testing/store-fixture.js';
import { broken, WorldBox } from './branch-world.js';

let hub: FakeHub;
let boxes: WorldBox[];
let told: Set<string>;
let a: WorldBox;

beforeEach(async () => {
  boxes = [];
  told = new Set();
  const identity = newBox();
  hub = await FakeHub.start(identity);
  hub.pageLinesMax = 10;
  a = await boxOf(WorldBox.start(identity));
  await a.openShift();
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

/** Of sales that have to stand for ever: the box lives, or the hub has acknowledged them. */
async function sells(box: WorldBox, count: number, till?: string): Promise<void> {
  for (const id of await box.sellMany(count, till)) told.add(id);
}

async function expectWhole(...of: WorldBox[]): Promise<void> {
  // Twice: what one journals again the other has to fetch.
  for (let round = 0; round < 2; round += 1) for (const box of of) await box.meet(hub);
  for (const box of of) expect(await broken(box, hub, told)).toEqual([]);
}

const headOf = ({ store }: WorldBox) => {
  const head = readHead(store.reads);
  if (head === null) throw new Error('nothing was journalled');
  return head;
};

describe('what a till says that it has seen', () => {
  it('takes no epoch out of reach, however far the one that is named: a store that has come to the last one sells nothing', async () => {
    await sells(a, 2);
    const { epoch } = headOf(a);
    const say = (named: number) =>
      a.store.writer.write(noteSeen, {
        seen: { incarnation: v7(), epoch: named, seq: 9, hash: 'f'.repeat(64) },
        device: 'T1',
      });
    expect(await say(999_999_999)).toBe(false);
    await sells(a, 1);
    expect(headOf(a)).toMatchObject({ epoch });
    expect(await say(epoch + 7)).toBe(true);
    await sells(a, 1);
    expect(headOf(a)).toMatchObject({ epoch: epoch + 8 });
    await expectWhole(a);
  });
});

describe('a restored box', () => {
  it('that sold nothing since gets what it lost and goes on in the same incarnation', async () => {
    await sells(a, 3);
    await a.meet(hub);
    const backup = await a.backup();
    await sells(a, 30);
    await a.meet(hub);
    const before = headOf(a);
    await a.restore(backup, 'restored too');
    await a.meet(hub);
    expect(headOf(a)).toMatchObject({ ...before, position: expect.any(Number), hlc: expect.any(String) });
    await sells(a, 2);
    await expectWhole(a);
    expect(hub.streams.size).toBe(1);
  });

  it('whose witness has seen more goes on in the same incarnation once all that it saw has come', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 12);
    await a.meet(hub);
    const { incarnation, seq } = headOf(a);
    await a.restore(backup, 'kept');
    expect(headOf(a).due).toBe('witness-ahead');
    await a.meet(hub);
    expect(headOf(a)).toMatchObject({ incarnation, seq, due: null });
    await sells(a, 1);
    await expectWhole(a);
  });

  it('whose witness has seen what nobody has any more opens a new incarnation, with other receipt numbers', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 12);
    await a.meet(hub);
    const { incarnation } = headOf(a);
    // Never pushed, and gone with the disk.
    await a.sellMany(4);
    await a.restore(backup, 'kept');
    await a.meet(hub);
    expect(headOf(a)).toMatchObject({ incarnation, due: 'hub-ahead' });
    await sells(a, 2);
    expect(headOf(a)).toMatchObject({ epoch: 2, due: null });
    await expectWhole(a);
    const numbers = a.store.reads.all<{ n: string }>('SELECT receipt_number AS n FROM sale ORDER BY no DESC LIMIT 2');
    expect(numbers.map(({ n }) => n)).toEqual(['B001-T1-2-000002', 'B001-T1-2-000001']);
  });

  it('with its witness lost never writes to that incarnation again, and gets its lines', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 12);
    await a.meet(hub);
    await a.restore(backup, 'lost');
    await a.meet(hub);
    expect(headOf(a).due).toBe('witness-missing');
    await sells(a, 2);
    expect(headOf(a).epoch).toBe(2);
    await expectWhole(a);
  });

  it('that sold since keeps both histories, and flags each number that was printed twice', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 12);
    await a.meet(hub);
    const { incarnation } = headOf(a);
    await a.restore(backup, 'restored too');
    await sells(a, 5);
    await expectWhole(a);
    expect([...hub.streams.keys()]).toEqual([incarnation, headOf(a).incarnation]);
    expect(a.logged('duplicate-receipt-number')).toEqual([expect.stringContaining('5 sales')]);
    expect(a.sales()).toHaveLength(20);
  });

  it('keeps selling while its lines come: what is sold meanwhile opens a new incarnation', async () => {
    await sells(a, 3);
    await a.meet(hub);
    const backup = await a.backup();
    await sells(a, 40);
    await a.meet(hub);
    await a.restore(backup, 'restored too');
    const { replicator } = replicatorOn(a.store, hub.url);
    let pages = 0;
    hub.bend = ({ route }, reply) => {
      // The till comes with the third page.
      if (route.includes('/sync/v1/lines') && ++pages === 3) void a.sell().then((id) => told.add(id));
      return reply;
    };
    replicator.start();
    await a.meet(hub);
    await replicator.stop();
    expect(pages).toBeGreaterThan(3);
    expect(headOf(a).epoch).toBe(2);
    await expectWhole(a);
  });

  it('three times in a row, each time with sales since, is whole', async () => {
    const backup = await a.backup();
    for (const witness of ['restored too', 'kept', 'lost'] as const) {
      await sells(a, 4);
      await a.meet(hub);
      await a.restore(backup, witness);
      await sells(a, 3);
      await a.meet(hub);
    }
    await expectWhole(a);
    expect(a.sales()).toHaveLength(21);
  });

  it('closes the shift that was opened after the backup, and knows the Z that was drawn', async () => {
    const backup = await a.backup();
    const [first] = a.openShifts();
    await sells(a, 2);
    await a.closeShift(String(first));
    const second = await a.openShift();
    await sells(a, 3);
    await a.meet(hub);
    await a.restore(backup, 'restored too');
    expect(a.openShifts()).toEqual([first]);
    await a.meet(hub);
    expect(a.openShifts()).toEqual([second]);
    const z = await a.closeShift(second);
    expect(z).toMatchObject({ zNumber: 2, totals: { baskets: 3 } });
    await expectWhole(a);
  });
});

describe('a restored hub', () => {
  it('is shown its own word of the last time, also by an edge that was started anew', async () => {
    for (let hellos = 0; hellos < 3; hellos += 1) await a.meet(hub);
    // A hello that was cut off by the end of its replicator taught nothing: the word before it is the last.
    const word = a.store.reads.get<{ memory: string }>('SELECT memory FROM hub_memory')?.memory;
    const shown = hub.memories.length;
    expect(hub.memories[0]).toBeNull();
    expect([`word ${shown}`, `word ${shown - 1}`]).toContain(word);
    await a.store.close();
    await a.open();
    await sells(a, 1);
    await a.meet(hub);
    expect(hub.memories[shown]).toBe(word);
  });

  it('gets again what it lost, also of a history that a fork had ended', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 12);
    await a.meet(hub);
    const { incarnation } = headOf(a);
    await a.restore(backup, 'restored too');
    await sells(a, 5);
    await a.meet(hub);
    hub.forgetLinesAfter(incarnation, 2);
    hub.forgetLinesAfter(headOf(a).incarnation, 3);
    await expectWhole(a);
    expect(a.sales()).toHaveLength(20);
  });

  it('that lost all of it gets all of it', async () => {
    await sells(a, 3);
    const backup = await a.backup();
    await sells(a, 6);
    await a.meet(hub);
    await a.restore(backup, 'restored too');
    await sells(a, 2);
    await a.meet(hub);
    hub.streams.clear();
    await expectWhole(a);
  });

  it('together with a restored box, that both lost their ends: what either had is on both', async () => {
    const acknowledged = await a.sellMany(6);
    await a.meet(hub);
    const { incarnation } = headOf(a);
    const backup = await a.backup();
    await a.sellMany(6);
    await a.meet(hub);
    hub.forgetLinesAfter(incarnation, 5);
    await a.restore(backup, 'restored too');
    for (const id of acknowledged) told.add(id);
    await sells(a, 3);
    await expectWhole(a);
    await sells(a, 1);
    await expectWhole(a);
  });

  it('and another box of the branch keeps what the first can give no more', async () => {
    await sells(a, 6);
    await a.meet(hub);
    const b = await boxOf(another(2));
    await b.meet(hub);
    await a.close();
    hub.streams.clear();
    await expectWhole(b);
    expect(b.sales()).toHaveLength(6);
  });
});

/** A replacement: the same branch, another box, an empty disk. */
async function another(epoch: number): Promise<WorldBox> {
  const { tenant, branch } = a.identity;
  const identity = newBox({ tenant, branch, epoch });
  hub.boxes.push(identity);
  hub.epoch = epoch - 1;
  return WorldBox.start(identity);
}

describe('a replacement box', () => {
  it('has what its branch did, closes its open shift, and prints numbers of its own', async () => {
    await sells(a, 23);
    const [shift] = a.openShifts();
    await a.meet(hub);
    const b = await boxOf(another(2));
    await b.meet(hub);
    expect(b.openShifts()).toEqual([shift]);
    await sells(b, 2);
    const z = await b.closeShift(String(shift));
    expect(z).toMatchObject({ zNumber: 1, totals: { baskets: 25, totalMinor: 25 * 3_998 } });
    expect(headOf(b)).toMatchObject({ epoch: 2 });
    await expectWhole(b);
    expect((await b.closeShift(await b.openShift())).zNumber).toBe(2);
  });

  it('sells before its branch’s lines have come', async () => {
    await sells(a, 23);
    await a.meet(hub);
    const b = await boxOf(another(2));
    await b.openShift('D2');
    await sells(b, 3);
    await expectWhole(b);
    expect(b.openShifts()).toHaveLength(2);
  });

  it('goes on behind the last line that it took when it is killed between pages', async () => {
    await sells(a, 45);
    await a.meet(hub);
    const b = await boxOf(another(2));
    for (const page of [1, 1, 2]) {
      let pages = 0;
      const { replicator } = replicatorOn(b.store, hub.url);
      // Two pages come, then none.
      const asked = new Promise<void>((resolve) => {
        hub.intercept = ({ route }) => {
          if (!route.includes('/sync/v1/lines') || ++pages <= page) return null;
          resolve();
          return { status: 503, body: {} };
        };
      });
      replicator.start();
      await asked;
      await replicator.stop();
      await b.close();
      await b.open();
    }
    hub.intercept = () => null;
    await expectWhole(b);
    const seqs = hub.requests.flatMap((route) => /lines\?.*from=(\d+)/.exec(route)?.[1] ?? []);
    expect(new Set(seqs).size).toBeGreaterThan(3);
  });
});

describe('two boxes that are alive', () => {
  it('one a copy of the other: each difference is a stream of its own, and both hold all of it', async () => {
    await sells(a, 4);
    await a.meet(hub);
    const b = await boxOf(WorldBox.start(a.identity, a));
    for (let round = 0; round < 3; round += 1) {
      await sells(a, 3);
      await sells(b, 4);
      await a.meet(hub);
      await b.meet(hub);
    }
    await expectWhole(a, b);
    expect(a.sales()).toEqual(b.sales());
    expect(a.sales()).toHaveLength(25);
  });

  it('of one name by replacement: shift and Z of either are the other’s as well', async () => {
    await sells(a, 4);
    await a.meet(hub);
    const b = await boxOf(another(2));
    await b.meet(hub);
    const [shift] = a.openShifts();
    await sells(b, 2);
    await b.closeShift(String(shift));
    // The old box was not told, and sells on in a shift that is closed.
    await sells(a, 2);
    await b.meet(hub);
    await a.meet(hub);
    expect(a.openShifts()).toEqual([]);
    await expectWhole(a, b);
  });

  it('may tell a shift’s close before its opening, and its sales before both', async () => {
    await a.meet(hub);
    const b = await boxOf(another(2));
    await b.meet(hub);
    const opened = await b.openShift('D2', 'T2');
    await b.meet(hub);
    await a.meet(hub);
    await sells(a, 2, 'T2');
    await a.closeShift(opened);
    await a.meet(hub);
    // A third one takes the first box's history first.
    const c = await boxOf(another(3));
    await c.meet(hub);
    expect(c.openShifts()).toEqual(a.openShifts());
    const sums = (box: WorldBox) =>
      box.store.reads.all(
        `SELECT s.id, count(x.no) AS sales, (SELECT sum(amount_minor) FROM tender_entry t WHERE t.shift_no = s.no) AS cash
         FROM shift s LEFT JOIN sale x ON x.shift_no = s.no GROUP BY s.id ORDER BY s.id`,
      );
    expect(sums(c)).toEqual(sums(a));
    await expectWhole(a, b, c);
  });
});

describe('a hub that lies', () => {
  it.each([
    [
      'do not lead where they are said to',
      (incarnation: string) => hub.streams.get(incarnation)?.bytes.splice(3, 1, Buffer.from('{}')),
    ],
    [
      'came in a protocol that is not spoken here',
      () => {
        hub.bend = ({ route }, reply) => {
          if (!route.includes('/lines?')) return reply;
          const text = (reply.body as Buffer).toString('latin1').replace('"protocol":1', '"protocol":7');
          return { ...reply, body: Buffer.from(text, 'latin1') };
        };
      },
    ],
    [
      'their box never signed',
      (incarnation: string) => hub.forge(incarnation, 4, (line) => line.replace('":3998', '":9998')),
    ],
  ])('gives lines that %s, and none is taken', async (_what, lie) => {
    await sells(a, 5);
    await a.meet(hub);
    const b = await boxOf(another(2));
    lie(headOf(a).incarnation);
    const { replicator } = replicatorOn(b.store, hub.url);
    replicator.start();
    await eventually('a note in the log', () => b.logged('lines-corrupt').length > 0);
    await replicator.stop();
    expect(b.sales()).toEqual([]);
  });

  it('can name no box of its own', async () => {
    await sells(a, 5);
    await a.meet(hub);
    const b = await boxOf(another(2));
    const { signingKey } = newBox();
    hub.bendHistory = (history) => ({ ...history, signingKey: rawPublicKey(signingKey) });
    const { replicator } = replicatorOn(b.store, hub.url);
    replicator.start();
    await eventually('a note in the log', () => b.logged('history-refused').length > 0);
    await replicator.stop();
    expect(readHistories(b.store.reads)).toEqual([]);
  });
});
