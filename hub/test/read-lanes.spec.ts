import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AxiosResponse } from 'axios';
import pg from 'pg';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import type { JournalBuilder } from './journal-builder.js';
import { apiAtSync, TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;
let other: TestBox;
let journal: JournalBuilder;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  for (const code of ['B001', 'B002']) await createBranch(harness.admin.api, code);
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
  other = await TestBox.enrol(harness.url, harness.admin.api, 'B002');
  journal = box.newJournal();
  journal.sale();
  expect((await box.push(journal.push())).status).toBe(200);
  await harness.numbered();
});
afterAll(() => harness.close());

/** Until the end of `work` whoever reads from the table waits at the database. */
async function whileLocked<T>(table: string, work: () => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: harness.databaseUrl });
  await client.connect();
  try {
    await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    return await work();
  } finally {
    await client.query('COMMIT');
    await client.end();
  }
}

const ask = (by: TestBox, path: string, body?: object): Promise<AxiosResponse> =>
  apiAtSync(harness.url).request({
    ...{ url: path, method: body === undefined ? 'GET' : 'POST', data: body },
    headers: { authorization: `Bearer ${by.token}` },
  });

describe('what a box reads at once', () => {
  const cursor = { scope: 'tenant', number: 0, hash: '0'.repeat(64) };
  it.each([
    ['feed', 'feed_head', '2', () => ['/sync/v1/feed/tenant'], 200],
    ['snapshot', 'feed_head', '10', () => ['/sync/v1/snapshot/tenant'], 404],
    ['verify', 'feed_head', '5', () => ['/sync/v1/verify', { part: 'sums', ...cursor }], 200],
    ['lines', 'journal_chunk', '5', () => [`/sync/v1/lines?incarnation=${journal.incarnation}&from=1`], 200],
  ] as const)(
    'of %s is a small share, and others wait for none of it',
    async (_what, table, retryAfter, route, status) => {
      const [path, body] = route() as [string, object?];
      const asked = await whileLocked(table, async () => {
        const refused: AxiosResponse[] = [];
        const all = Array.from({ length: 5 }, async () => {
          const answer = await ask(box, path, body);
          if (answer.status === 503) refused.push(answer);
          return answer;
        });
        while (refused.length < 3) await new Promise((soon) => setTimeout(soon, 5));
        for (const { data, headers } of refused)
          expect([data.code, headers['retry-after']]).toEqual(['busy', retryAfter]);
        expect((await other.hello()).status).toBe(200);
        expect((await box.hello()).status).toBe(200);
        return [...all, ...(table === 'feed_head' ? [ask(other, path, body)] : [])];
      });
      const answers = (await Promise.all(asked)).map((answer) => answer.status);
      expect(answers.filter((each) => each === 503)).toHaveLength(3);
      expect(answers.filter((each) => each === status)).toHaveLength(answers.length - 3);
      expect((await ask(box, path, body)).status).toBe(status);
    },
  );
});
