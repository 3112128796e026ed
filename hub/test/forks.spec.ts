import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { factCounts } from './facts-of-branch.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterAll(() => harness.close());

describe('another history of one incarnation', () => {
  it('is not continued where it has the very line number that is next: only the hash before it tells', async () => {
    const held = box.newJournal();
    for (let sale = 0; sale < 2; sale += 1) held.sale();
    expect((await box.push(held.push())).status).toBe(200);

    const copy = box.newJournal({ incarnation: held.incarnation });
    for (let sale = 0; sale < 3; sale += 1) copy.sale();
    const next = held.seq + 1;
    expect(copy.seq).toBe(next);
    const answer = await box.push(copy.push(next, next));
    expect([answer.status, answer.data]).toEqual([
      409,
      expect.objectContaining({ code: 'fork', hash: held.headHash, appliedSeq: held.seq }),
    ]);
    const counts = await harness.database.transaction(box.tenant, (tx) => factCounts(tx, box.branch));
    expect(counts).toMatchObject({ lines: 3, sales: 2 });
  });
});
