import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MalformedPush, PUSH_MEDIA_TYPE, type PushAnswer } from '@branchline/replication/push.js';
import { sourceThread } from '../../edge/test/source-thread/source-thread.js';
import type { Announcement } from '../src/database/unit-of-work.js';
import { BulkThread, type BulkThreadParts } from '../src/sync/bulk/bulk-thread.js';
import type { PushBox } from '../src/sync/apply-push.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

const PROGRAM = sourceThread(join('hub', 'src', 'bulk-thread.ts'));

let hub: HubHarness;
let box: TestBox;
let who: PushBox;
let thread: BulkThread;
let announced: Announcement[];
let logged: unknown[];

beforeAll(async () => {
  hub = await startHubHarness();
  await createPlaces(hub.admin.api);
  await createBranch(hub.admin.api, 'B001', {});
  box = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
  who = { tenantId: box.tenant, branchId: box.branch, boxId: box.box };
});
afterAll(() => hub.close());

const begin = (other: Partial<BulkThreadParts> = {}): BulkThread => {
  const announce = (announcement: Announcement): void => void announced.push(announcement);
  const logger = { error: (message: unknown): void => void logged.push(message) };
  return new BulkThread({ databaseUrl: hub.databaseUrl, program: PROGRAM, announce, logger, ...other });
};
beforeEach(() => {
  announced = [];
  logged = [];
  thread = begin();
});
afterEach(() => thread.close());

const sent = (bytes: Buffer) => ({ bytes, mediaType: PUSH_MEDIA_TYPE, encoding: undefined });
const apply = (body: Buffer, as: PushBox = who) => thread.apply(as, sent(body));

async function heldSeq(journal: JournalBuilder): Promise<number> {
  const [row] = await hub.database.asOwner<{ seq: number }>(
    'SELECT applied_seq AS seq FROM incarnation WHERE incarnation = $1',
    [journal.incarnation],
  );
  return row?.seq ?? 0;
}

describe('the thread of bulk pushes', () => {
  it('takes a push in as the hub itself does, and tells the hub’s listeners', async () => {
    const journal = box.newJournal();
    for (let sale = 0; sale < 40; sale += 1) journal.sale();
    const body = journal.push(1);
    const before = Buffer.from(body);
    const { incarnation, fromSeq, outcome } = await apply(body);
    expect({ incarnation, fromSeq }).toEqual({ incarnation: journal.incarnation, fromSeq: 1 });
    expect(outcome).toMatchObject({ outcome: 'applied', appliedLines: 41, setAside: [] });
    expect((outcome as { answer: PushAnswer }).answer).toMatchObject({ appliedSeq: 41, headHash: journal.headHash });
    expect(await heldSeq(journal)).toBe(41);
    // The body is the caller's still: it may lie where others lie too.
    expect(body.equals(before)).toBe(true);
    // The same again, by the hub itself, is passed over: one chain.
    expect((await box.push(body)).data).toMatchObject({ appliedSeq: 41, headHash: journal.headHash });
    expect(announced.every(({ tenantId }) => tenantId === box.tenant)).toBe(true);
  });

  it('reads a push of a box while the one before it is written, and writes them in the order in which they came', async () => {
    const journal = box.newJournal();
    // Read last, as it is the longest; each of the others needs the one before it.
    const ends = [300, 310, 311, 330].map((last, at, all) => {
      const first = (all[at - 1] ?? 0) + 1;
      while (journal.seq < last) journal.sale();
      return { first, last };
    });
    const applied = await Promise.all(ends.map(({ first, last }) => apply(journal.push(first, last))));
    expect(applied.map(({ outcome }) => (outcome as { answer: PushAnswer }).answer.appliedSeq)).toEqual([
      300, 310, 311, 330,
    ]);
  });

  it('after a push that is no good refuses what builds on it, and goes on with what does not', async () => {
    const journal = box.newJournal();
    while (journal.seq < 60) journal.sale();
    const bad = journal.push(1, 40);
    bad[bad.length - 20] = (bad[bad.length - 20] as number) ^ 1;
    const [first, second, third] = await Promise.allSettled([
      apply(bad),
      apply(journal.push(41, 60)),
      apply(journal.push(1, 40)),
    ]);
    expect(first).toMatchObject({ status: 'rejected' });
    expect(second).toMatchObject({ value: { outcome: { outcome: 'seq-gap', appliedSeq: 0 } } });
    expect(third).toMatchObject({ value: { outcome: { outcome: 'applied', answer: { appliedSeq: 40 } } } });
  });

  it('takes pushes in beside short ones that never end', async () => {
    let end = (): void => undefined;
    const short = thread.meanwhile(() => new Promise<void>((done) => (end = done)));
    const journal = box.newJournal();
    while (journal.seq < 300) journal.sale();
    expect((await apply(journal.push(1))).outcome).toMatchObject({ outcome: 'applied', appliedLines: 300 });
    end();
    await short;
  });

  it('refuses as the hub itself does', async () => {
    const journal = box.newJournal();
    journal.sale();
    const body = journal.push(1);
    await expect(apply(body.subarray(0, body.length - 9))).rejects.toBeInstanceOf(MalformedPush);
    const other = { ...who, boxId: '01940000-0000-7000-8000-0000000000ff' };
    await expect(apply(body, other)).rejects.toThrow('expected one row');
    const foreign = await TestBox.enrol(hub.url, hub.admin.api, 'B001');
    const asForeign = { ...who, boxId: foreign.box };
    await expect(apply(body, asForeign)).rejects.toBeInstanceOf(MalformedPush);
    expect(await heldSeq(journal)).toBe(0);
    await apply(body);
    await expect(apply(journal.push(1, journal.seq, {}, foreign.keys), asForeign)).rejects.toMatchObject({
      name: 'Problem',
      code: 'not-yours',
    });
  });

  it('ends with what it has in hand done', async () => {
    const journal = box.newJournal();
    for (let sale = 0; sale < 60; sale += 1) journal.sale();
    const applied = apply(journal.push(1));
    await thread.close();
    expect((await applied).outcome.outcome).toBe('applied');
    await expect(apply(journal.push(1))).rejects.toMatchObject({ code: 'busy' });
    expect(logged).toEqual([]);
  });

  it('that cannot begin leaves nobody waiting, and is not begun again at once', async () => {
    const lost = begin({ databaseUrl: 'postgres://nobody@127.0.0.1:1/nothing' });
    const journal = box.newJournal();
    const push = () => lost.apply(who, sent(journal.push(1)));
    await expect(push()).rejects.toMatchObject({ code: 'busy', headers: { 'retry-after': '2' } });
    await expect(push()).rejects.toMatchObject({ code: 'busy' });
    expect(logged).toEqual([{ message: 'the thread of bulk pushes ended', code: 1 }]);
    await lost.close();
  });
});
