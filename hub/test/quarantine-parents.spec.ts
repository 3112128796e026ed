import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CONTRACT } from '@branchline/replication/contracts.js';
import { v7 } from 'uuid';
import { packLines, unpackChunk, type JournalChunk } from '../src/sync/journal-chunk.js';
import { QuarantineRetrier } from '../src/sync/quarantine-retrier.js';
import { factCounts } from './facts-of-branch.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { JournalBuilder } from './journal-builder.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let branches = 0;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
});
afterAll(() => harness.close());

async function newBox(): Promise<TestBox> {
  branches += 1;
  const code = `W${String(branches).padStart(3, '0')}`;
  await createBranch(harness.admin.api, code);
  return TestBox.enrol(harness.url, harness.admin.api, code);
}

type Item = { id: string; seq: number; kind: string; code: string; state: string; parents: unknown[]; detail: string };
const settled = () => harness.hub.app.get(QuarantineRetrier).settled();
const counts = (box: TestBox) => harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch));

async function waiting(box: TestBox): Promise<Item[]> {
  await settled();
  const { data } = await harness.admin.api.get('/v1/quarantine', { params: { branch: box.branchCode, limit: 500 } });
  return data.items;
}
const codes = async (box: TestBox): Promise<[number, string][]> =>
  (await waiting(box)).map(({ seq, code }): [number, string] => [seq, code]).sort(([a], [b]) => a - b);

/** As an edge writes them, with what they build on; a sale names its shift and waits for it as little as for a customer. */
function day(journal: JournalBuilder, { openIs = {} }: { openIs?: { contract?: number } } = {}): string {
  const shift = v7();
  const made = new JournalBuilder(journal.box);
  made.shiftOpen(shift);
  made.shiftClose(shift, 1);
  made.daySeal();
  const [open, close, seal] = made.lines.slice(1).map((line) => JSON.parse(line.toString('utf8')));
  journal.append('shift-open', shift, open.body, openIs);
  journal.sale({ shift });
  journal.append('shift-close', shift, close.body, { refs: [`shift:${shift}`] });
  journal.append('day-seal', '2026-11-20', seal.body, { refs: [`shift:${shift}`] });
  return shift;
}

/** Makes readable at the hub what a newer contract wrote: as after a deploy, without touching what the box signed. */
async function mend(box: TestBox, seq: number): Promise<void> {
  const [item] = (await waiting(box)).filter((found) => found.seq === seq);
  const { status, data } = await harness.admin.api.post(`/v1/quarantine/${item?.id}/retry`);
  expect([status, data.state]).toEqual([200, 'mended']);
}

describe('a line whose parent is not a fact', () => {
  it('waits with the parent named, and so does what builds on it; sales wait for no shift', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const shift = day(journal, { openIs: { contract: CONTRACT + 1 } });
    journal.sale({ customerId: v7(), shift: v7() });
    const { data } = await box.push(journal.push());
    expect(data.quarantined?.map(({ seq, code }) => [seq, code])).toEqual([
      [2, 'newer-contract'],
      [4, 'waits-for-parent'],
      [5, 'waits-for-parent'],
    ]);
    expect(await counts(box)).toMatchObject({ sales: 2 });
    const items = await waiting(box);
    const { incarnation } = journal;
    expect(items.map(({ seq, parents }) => [seq, parents])).toEqual([
      [2, []],
      [4, [{ kind: 'shift-open', key: shift, incarnation, seq: 2 }]],
      [5, [{ kind: 'shift-close', key: shift, incarnation, seq: 4 }]],
    ]);
  });

  it('is retried, and all that builds on it, when the parent comes by another history', async () => {
    const box = await newBox();
    const first = box.newJournal();
    const shift = v7();
    day(first, { openIs: { contract: CONTRACT + 1 } });
    const second = box.newJournal({ epoch: box.epoch + 1 });
    const open = JSON.parse((first.lines[1] as Buffer).toString('utf8'));
    await box.push(first.push());
    expect(await codes(box)).toHaveLength(3);
    second.append('shift-open', open.key, open.body);
    expect(shift).not.toBe(open.key);
    await box.push(second.push());
    expect(await codes(box)).toEqual([[2, 'newer-contract']]);
    const facts = await harness.database.transaction(box.tenant, (tx) =>
      tx.one(
        'SELECT (SELECT count(*) FROM shift_close) AS closes, (SELECT count(*) FROM day_seal WHERE branch_id = $1) AS seals',
        [box.branch],
      ),
    );
    expect(facts).toMatchObject({ seals: 1 });
    const verified = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
    expect(verified.data).toMatchObject({ outcome: 'equal' });
  });

  it('whose parent was never seen waits likewise, also one that names what no line can be', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const shift = v7();
    for (const ref of [`shift:${shift}`, 'shift:nothing', `shift:${'\u0001'.repeat(10)}`]) {
      const made = new JournalBuilder(box);
      made.shiftClose(v7(), 1);
      const { body } = JSON.parse((made.lines[1] as Buffer).toString('utf8'));
      journal.append('shift-close', body.id, body, { refs: [ref] });
    }
    journal.sale();
    expect((await box.push(journal.push())).data.quarantined).toHaveLength(3);
    expect((await waiting(box))[0]).toMatchObject({
      parents: [{ kind: 'shift-open', key: shift, incarnation: null, seq: null }],
    });
    const next = journal.seq + 1;
    journal.shiftOpen(shift);
    await box.push(journal.push(next));
    expect((await codes(box)).map(([seq]) => seq)).toEqual([3, 4]);
  });

  it('is retried transitively when the parent is mended by hand', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const shift = day(journal);
    // As if the opening had not gone in: a date that PostgreSQL does not know.
    await box.push(journal.push(1, 1));
    await harness.database.asOwner(`ALTER TABLE shift ADD CONSTRAINT planted CHECK (id <> '${shift}') NOT VALID`);
    await box.push(journal.push(2));
    expect(await codes(box)).toEqual([
      [2, 'projection-failed'],
      [4, 'waits-for-parent'],
      [5, 'waits-for-parent'],
    ]);
    await harness.database.asOwner('ALTER TABLE shift DROP CONSTRAINT planted');
    await mend(box, 2);
    expect(await codes(box)).toEqual([]);
    const verified = await harness.admin.api.post(`/v1/fleet/${box.branchCode}/verify`);
    expect(verified.data).toMatchObject({ outcome: 'equal' });
  });

  it('comes to rest in a circle, and a long chain is taken step by step', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const ids = Array.from({ length: 60 }, () => v7());
    // Each takes back the one after it: the last has to come first.
    for (const [at, id] of ids.entries()) {
      const body = JSON.parse(JSON.stringify(new JournalBuilder(box).sale({ id })));
      const next = ids[at + 1];
      journal.append('sale', id, body, { refs: next === undefined ? [] : [`sale:${next}`] });
    }
    const [a, b] = [v7(), v7()];
    for (const [id, other] of [
      [a, b],
      [b, a],
    ] as const)
      journal.append('sale', id, JSON.parse(JSON.stringify(new JournalBuilder(box).sale({ id }))), {
        refs: [`sale:${other}`],
      });
    expect((await box.push(journal.push())).status).toBe(200);
    await settled();
    await harness.hub.app.get(QuarantineRetrier).sweep();
    expect((await codes(box)).map(([, code]) => code)).toEqual(['waits-for-parent', 'waits-for-parent']);
    expect(await counts(box)).toMatchObject({ sales: 60 });
  });
});

describe('a line that is tried again', () => {
  it('is no fact when its archived bytes are not what the box sent', async () => {
    const box = await newBox();
    const journal = box.newJournal();
    const sale = journal.sale();
    await box.push(journal.push(1, 1));
    await harness.database.asOwner(`ALTER TABLE sale ADD CONSTRAINT planted CHECK (id <> '${sale.id}') NOT VALID`);
    await box.push(journal.push(2));
    await harness.database.asOwner('ALTER TABLE sale DROP CONSTRAINT planted');
    const [chunk] = await harness.database.asOwner<JournalChunk>(
      `SELECT first_seq AS "firstSeq", last_seq AS "lastSeq", hashes, body_bytes AS "bodyBytes", body FROM journal_chunk
       WHERE branch_id = $1 AND first_seq = 2`,
      [box.branch],
    );
    const [line] = await unpackChunk({ ...(chunk as JournalChunk), firstSeq: 2, lastSeq: 2 });
    const altered = Buffer.from((line?.bytes.toString('utf8') ?? '').replace('"anna"', '"bert"'));
    const [packed] = await packLines([{ bytes: altered, hash: line?.hash as Buffer }], 2);
    const put = 'UPDATE journal_chunk SET body = $2, body_bytes = $3 WHERE branch_id = $1 AND first_seq = 2';
    await harness.database.asOwner(put, [box.branch, packed?.body, packed?.bodyBytes]);
    const [item] = await waiting(box);
    const { data } = await harness.admin.api.post(`/v1/quarantine/${item?.id}/retry`);
    expect(data).toMatchObject({ state: 'open', detail: expect.stringContaining('do not lead to the hash') });
    expect(await counts(box)).toMatchObject({ sales: 0 });
    await harness.database.asOwner(put, [box.branch, chunk?.body, chunk?.bodyBytes]);
    const mended = await harness.admin.api.post(`/v1/quarantine/${item?.id}/retry`);
    expect(mended.data.state).toBe('mended');
    expect(await counts(box)).toMatchObject({ sales: 1 });
  });
});
