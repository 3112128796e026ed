import { sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { BUNDLE_MEDIA_TYPE } from '@branchline/replication/bundle.js';
import type { BundleRecord } from '@branchline/replication/bundle-records.js';
import { brotliJson, writeBundle } from '@branchline/replication/write-bundle.js';
import { v7 } from 'uuid';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { apiAtSync, TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterAll(() => harness.close());

/** As a box might write it that is nobody's friend. */
async function bundleOf(hello: object, by: { box?: string } = {}): Promise<Buffer> {
  const headers = { authorization: `Bearer ${box.token}` };
  const { data } = await apiAtSync(harness.url).get<{ sealingKey: string }>('/sync/v1/person-keys', { headers });
  const header = {
    ...{ direction: 'up' as const, tenant: box.tenant, branch: box.branch, box: box.box, ...by },
    ...{ bundle: v7(), createdAt: Date.now(), sealedTo: data.sealingKey },
  };
  async function* records(): AsyncGenerator<BundleRecord> {
    yield { label: { kind: 'hello', encoding: 'br' }, body: await brotliJson(hello) };
  }
  const parts: Buffer[] = [];
  for await (const part of writeBundle(header, records(), (message) => sign(null, message, box.keys.signing)))
    parts.push(part);
  return Buffer.concat(parts);
}

const HELLO = { protocol: 1, version: '1', contract: 1, incarnations: [], hashesAt: [], cursors: [] };

describe('what a box says in a bundle', () => {
  it.each([
    ['with text that no database holds', { ...HELLO, version: 'a\0b' }],
    ['with half a character', { ...HELLO, more: '\ud800' }],
    ['with two cursors of one scope', { ...HELLO, cursors: cursors() }],
    ['in a protocol that is not spoken here', { ...HELLO, protocol: 9 }],
  ])('%s is not taken for what it says, and one is made for it all the same', async (_what, hello) => {
    const headers = { 'content-type': BUNDLE_MEDIA_TYPE };
    const taken = await harness.admin.api.post('/v1/bundles', await bundleOf(hello), { headers });
    expect([taken.status, taken.data]).toMatchObject([200, { branch: 'B001', lines: 0 }]);
    expect((await harness.admin.api.get('/v1/bundles/B001', { responseType: 'arraybuffer' })).status).toBe(200);
  });
});

it('of boxes that nobody knows is one incident, however many are named', async () => {
  const headers = { 'content-type': BUNDLE_MEDIA_TYPE };
  for (let at = 0; at < 3; at += 1) {
    const { status, data } = await harness.admin.api.post('/v1/bundles', await bundleOf(HELLO, { box: v7() }), {
      headers,
    });
    expect([status, data.code]).toEqual([403, 'bundle-not-ours']);
  }
  const { data } = await harness.admin.api.get('/v1/incidents', { params: { code: 'bundle-refused' } });
  expect(data.items).toMatchObject([{ branch: null, count: 3 }]);
});

function cursors(): object[] {
  const cursor = { scope: 'tenant', hubEpoch: null, number: 0, hash: '0'.repeat(64) };
  return [cursor, cursor];
}
