import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { contentHash } from '@branchline/replication/content-hash.js';
import { v7 } from 'uuid';
import { FakeHub } from '../../src/replicator/testing/fake-hub.js';
import { eventually, replicatorOn } from '../../src/replicator/testing/replicator-fixture.js';
import { completeSale } from '../../src/selling/complete-sale.js';
import { saveBox } from '../../src/store/box.js';
import { examine } from '../../src/store/doctor.js';
import { readHead } from '../../src/store/journal.js';
import { newBox } from '../../src/store/testing/store-fixture.js';
import type { Connection } from '../../src/store/tx.js';
import { Witness } from '../../src/store/witness.js';
import { broken, WorldBox } from '../branch-world.js';
import { edgeThatDies, type KillPoint, type LastWork } from './edge-that-dies.js';

let hub: FakeHub;
let boxes: WorldBox[];
/** Sales that have to stand for ever: the box lives, or the hub has acknowledged them. */
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

async function sells(box: WorldBox, count: number, till?: string): Promise<void> {
  for (const id of await box.sellMany(count, till)) told.add(id);
}

/** 25 of its sales are at the hub and no more here; `since` were sold after it was restored, with numbers of those. */
async function restored({ since }: { since: number }): Promise<WorldBox> {
  await sells(a, 3);
  await a.meet(hub);
  const backup = await a.backup();
  await sells(a, 25);
  await a.meet(hub);
  await a.restore(backup, 'restored too');
  await sells(a, since);
  return a;
}

async function replacement(): Promise<WorldBox> {
  await sells(a, 25);
  await a.meet(hub);
  const { tenant, branch } = a.identity;
  const identity = newBox({ tenant, branch, epoch: 2 });
  hub.boxes.push(identity);
  hub.epoch = 1;
  return boxOf(WorldBox.start(identity));
}

/** What the first box wrote is here, and head office has lost the end of it with that box. */
async function survivor(): Promise<WorldBox> {
  const { incarnation } = headOf(a);
  const b = await replacement();
  await b.meet(hub);
  await a.close();
  hub.forgetLinesAfter(incarnation, 6);
  return b;
}

const headOf = ({ store }: WorldBox) => {
  const head = readHead(store.reads);
  if (head === null) throw new Error('nothing was journalled');
  return head;
};

async function killed(box: WorldBox, point: KillPoint, work: LastWork = { hubUrl: hub.url }): Promise<void> {
  saveBox(box.folder, box.identity);
  await box.close();
  const dead = await edgeThatDies(box.folder, point, work);
  expect(dead).toEqual({ signal: 'SIGKILL', said: '' });
  await box.open();
}

/** Of a file that may go on by its witness. */
const faults = ({ store, folder }: WorldBox) =>
  examine(store.reads as Connection, Witness.read(`${folder}/witness`)).filter(({ well }) => !well);

async function expectWhole(box: WorldBox): Promise<void> {
  // Twice: what is journalled again may be another's to fetch.
  for (let round = 0; round < 2; round += 1) await box.meet(hub);
  expect(await broken(box, hub, told)).toEqual([]);
  expect(faults(box)).toEqual([]);
}

const numbersOf = ({ store }: WorldBox): string[] =>
  store.reads.all<{ number: string }>('SELECT receipt_number AS number FROM sale').map(({ number }) => number);

/** How often people were told that a number was printed twice. */
const doubledTold = (box: WorldBox): number =>
  box.logged('duplicate-receipt-number').reduce((sum, detail) => sum + Number.parseInt(detail, 10), 0);

const at = (write: string, nth: number, phase: KillPoint['phase']): [string, KillPoint] => [
  `${write} #${nth}, ${phase}`,
  { write, nth, phase },
];
const fetching = [
  at('learn-hello', 1, 'written, not committed'),
  at('learn-hello', 1, 'committed, not witnessed'),
  at('take-lines', 1, 'half written'),
  at('take-lines', 1, 'written, not committed'),
  at('take-lines', 1, 'committed, not witnessed'),
  at('take-lines', 3, 'committed, not witnessed'),
  at('history-taken', 1, 'written, not committed'),
  at('history-taken', 1, 'committed, not witnessed'),
];
const afterSomeCame = fetching.slice(4);
const journallingAgain = [
  at('journal-again', 1, 'half written'),
  at('journal-again', 1, 'written, not committed'),
  at('journal-again', 1, 'committed, not witnessed'),
  at('journal-again', 1, 'witnessed, not told'),
];

describe('a restored edge killed while it gets its lines back', () => {
  it.each([...fetching, at('history-taken', 1, 'witnessed, not told')])(
    '%s: goes on in its incarnation with all of them',
    async (_at, point) => {
      const box = await restored({ since: 0 });
      await killed(box, point);
      const { replicator } = replicatorOn(box.store, hub.url);
      replicator.start();
      await eventually('a head to write to', () => headOf(box).seq === 30 && headOf(box).due === null);
      await replicator.stop();
      await sells(box, 2);
      await expectWhole(box);
      expect(headOf(box)).toMatchObject({ epoch: 1, seq: 32 });
      expect(numbersOf(box).at(-1)).toBe('B001-T1-1-000030');
    },
  );

  it.each(afterSomeCame.slice(0, 2))('%s: what it sells before the rest has come is its own', async (_at, point) => {
    const box = await restored({ since: 0 });
    await killed(box, point);
    await sells(box, 2);
    await expectWhole(box);
    expect(headOf(box)).toMatchObject({ epoch: 2, due: null });
    expect(new Set(numbersOf(box)).size).toBe(30);
  });
});

describe('a replacement killed while it gets what its branch did', () => {
  it.each([fetching[1], fetching[2], ...afterSomeCame] as typeof fetching)(
    '%s: has it all, once',
    async (_at, point) => {
      const box = await replacement();
      await killed(box, point);
      await box.openShift('D2', 'T2');
      await sells(box, 2, 'T2');
      await expectWhole(box);
      expect(headOf(box)).toMatchObject({ epoch: 2, due: null });
    },
  );
});

describe('an edge killed while it leaves a history for a new incarnation', () => {
  it.each([
    at('learn-hello', 1, 'committed, not witnessed'),
    ...journallingAgain,
    at('learn-hello', 2, 'committed, not witnessed'),
    at('acknowledge', 1, 'written, not committed'),
    ...afterSomeCame,
  ])('%s: both stand, people are told of it once, and of each number that was printed twice', async (_at, point) => {
    const box = await restored({ since: 7 });
    await killed(box, point);
    await sells(box, 1);
    await expectWhole(box);
    expect(headOf(box)).toMatchObject({ epoch: 2, due: null });
    expect(hub.streams.size).toBe(2);
    expect(box.logged('fork')).toHaveLength(1);
    const doubled = numbersOf(box).length - new Set(numbersOf(box)).size;
    expect(doubled).toBeGreaterThanOrEqual(7);
    expect(doubledTold(box)).toBe(doubled);
  });

  it.each(journallingAgain)('%s: also another box’s, of which the hub lost the end', async (_at, point) => {
    const box = await survivor();
    await killed(box, point);
    await sells(box, 1);
    await expectWhole(box);
    expect(box.logged('fork')).toHaveLength(1);
    expect(doubledTold(box)).toBe(0);
  });
});

describe('an edge killed in the first sale of a new incarnation', () => {
  it.each([
    ['half written', false],
    ['written, not committed', false],
    ['committed, not witnessed', true],
    ['witnessed, not told', true],
  ] as const)('%s: opens it once, and the sale stands where the till was told or asks again', async (phase, stands) => {
    const box = await restored({ since: 0 });
    // The hub has shown that more of its history is there.
    await killed(box, at('learn-hello', 1, 'committed, not witnessed')[1]);
    const input = {
      id: v7(),
      lines: [{ lineNo: 1, product: 'MILK', quantity: 2 }],
      tenders: [{ tenderNo: 1, type: 'cash' as const, amountMinor: 4_000 }],
    };
    const sale = { input, contentHash: contentHash(input), till: 'T1', branchCode: 'B001', mayImport: false };
    const by = { actor: 'MAX', device: null };
    await killed(box, at('complete-sale', 1, phase)[1], { sale, by });
    expect(headOf(box)).toMatchObject({ epoch: stands ? 2 : 1 });
    const { answer, replayed } = await box.store.writer.execute(completeSale, sale, by);
    expect([replayed, answer.receiptNumber]).toEqual([stands, 'B001-T1-2-000001']);
    told.add(answer.id);
    await sells(box, 1);
    await expectWhole(box);
    expect(headOf(box)).toMatchObject({ epoch: 2, due: null });
    expect(new Set(numbersOf(box)).size).toBe(30);
  });
});
