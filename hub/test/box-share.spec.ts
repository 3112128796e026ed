import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxiosResponse } from 'axios';
import { BOX_REQUESTS_MAX } from '../src/sync/box-share.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { apiAtSync, TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let other: TestBox;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  for (const code of ['B001', 'B002']) await createBranch(harness.admin.api, code);
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
  other = await TestBox.enrol(harness.url, harness.admin.api, 'B002');
});
afterAll(() => harness.close());

/** Until the end of `work` whatever wants to note something of the box waits at the database. */
async function whileHeld<T>({ tenant, box: id }: TestBox, work: () => Promise<T>): Promise<T> {
  return harness.database.transaction(tenant, async (tx) => {
    await tx.query('SELECT FROM box WHERE id = $1 FOR UPDATE', [id]);
    return work();
  });
}

describe('a box', () => {
  it('that asks more at once than an edge does is told to wait, on every route, and no other store waits for it', async () => {
    const tried = 3 * BOX_REQUESTS_MAX;
    const [waiting, busy] = await whileHeld(box, async () => {
      const refused: AxiosResponse[] = [];
      const asked = Array.from({ length: tried }, async () => {
        const answer = await box.hello();
        if (answer.status !== 200) refused.push(answer);
        return answer;
      });
      while (refused.length < tried - BOX_REQUESTS_MAX) await new Promise((soon) => setTimeout(soon, 5));
      for (const { status, data, headers } of refused)
        expect([status, data.code, headers['retry-after']]).toEqual([503, 'busy', '2']);
      expect((await box.feed('tenant')).status).toBe(503);
      expect((await box.push(box.newJournal().push())).status).toBe(503);
      const headers = { authorization: `Bearer ${box.token}` };
      expect(
        (await apiAtSync(harness.url).post('/sync/v1/person-keys/wanted', { persons: [] }, { headers })).status,
      ).toBe(503);
      expect((await other.hello()).status).toBe(200);
      expect((await other.push(other.newJournal().push())).status).toBe(200);
      return [asked, refused] as const;
    });
    const answers = await Promise.all(waiting);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(BOX_REQUESTS_MAX);
    expect(busy).toHaveLength(tried - BOX_REQUESTS_MAX);
    expect((await box.hello()).status).toBe(200);
  });
});
