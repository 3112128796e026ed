import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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

describe('a push', () => {
  it('is acknowledged once it is durable, with the head that both now hold', async () => {
    const journal = box.newJournal();
    journal.shiftOpen();
    for (let sale = 0; sale < 5; sale += 1) journal.sale({ lines: [{}, { product: 'BREAD', milli: 456 }] });
    journal.daySeal();
    const answer = await box.push(journal.push());
    expect([answer.status, answer.data]).toEqual([
      200,
      { appliedSeq: 8, headHash: journal.headHash, durableSeq: 0, quarantined: [], directives: [] },
    ]);
    const hello = await box.hello({ incarnations: [{ incarnation: journal.incarnation, seq: 8, hash: journal.headHash }], hashesAt: [{ incarnation: journal.incarnation, seq: 3 }] });
    expect([hello.status, hello.data]).toEqual([200, expect.objectContaining({ streams: [{ incarnation: journal.incarnation, appliedSeq: 8, headHash: journal.headHash, durableSeq: 0 }] })]);
  });
});
