import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LINE_BYTES_MAX } from '@branchline/replication/line.js';
import { v7 } from 'uuid';
import type { JournalRef } from './command.js';
import { markIncarnationDue } from './incarnation.js';
import { journalAgain } from './journal-again.js';
import { readHead, readLines } from './journal.js';
import type { OwnStore } from './store.js';
import { BY_NOBODY, enrolDevice, storeFixture, writeRows, type StoreFixture } from './testing/store-fixture.js';

let fixture: StoreFixture;
let store: OwnStore;
beforeEach(async () => {
  fixture = storeFixture();
  store = await fixture.open();
});
afterEach(async () => {
  await store.close();
  fixture.remove();
});

const enrol = (nameBytes: number): Promise<JournalRef> =>
  store.writer.execute(enrolDevice, { id: v7(), name: 'x'.repeat(nameBytes) }, BY_NOBODY);
const bytesAt = (incarnationNo: number, seq: number): number =>
  readLines(store.reads, incarnationNo, seq, 1, 0)[0]?.line.length ?? 0;

/** As many bytes of a name as make a line of so many, where its number has one digit. */
async function nameFor(lineBytes: number): Promise<number> {
  const { seq } = await enrol(1);
  return lineBytes - bytesAt(1, seq) + 1;
}

/** What a number may grow by: from one digit to the sixteen of the greatest. */
const ROOM = 15;

describe('the longest line that is written', () => {
  it('leaves room for any number that it may get', async () => {
    const longest = await nameFor(LINE_BYTES_MAX - ROOM);
    for (const longer of [ROOM, 1])
      await expect(enrol(longest + longer)).rejects.toMatchObject({
        code: 'line-too-large',
        message: expect.stringContaining(`a record of ${LINE_BYTES_MAX + longer} bytes`),
      });
    expect(bytesAt(1, (await enrol(longest)).seq)).toBe(LINE_BYTES_MAX - ROOM);
  });

  it('of those that are taken is a line where it is journalled again, however far that history has come', async () => {
    const longest = await nameFor(LINE_BYTES_MAX);
    for (let name = longest; ; name -= 1) {
      const isTaken = await enrol(name).then(
        () => true,
        () => false,
      );
      if (isTaken) break;
    }
    await writeRows(store, (tx) => markIncarnationDue(tx, { reason: 'fork', epochAbove: 1, missing: null }));
    for (let fact = 0; fact < 1_000; fact += 1) await enrol(1);
    // A hub that has nothing of it: all of it goes on where the next history stands.
    await store.writer.write({ name: 'journal-again', run: journalAgain }, { incarnationNo: 1, commonSeq: 0 });
    const { seq } = readHead(store.reads) ?? { seq: 0 };
    expect(seq).toBe(1_003);
    expect(bytesAt(2, seq)).toBeLessThanOrEqual(LINE_BYTES_MAX);
  });
});
