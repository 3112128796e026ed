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
async function bundleOf(hello: object, by: { box?: string; createdAt?: number } = {}): Promise<Buffer> {
  const headers = { authorization: `Bearer ${box.token}` };
  const { data } = await apiAtSync(harness.url).get<{ sealingKey: string }>('/sync/v1/person-keys', { headers });
  const header = {
    ...{ direction: 'up' as const, tenant: box.tenant, branch: box.branch, box: box.box },
    ...{ bundle: v7(), createdAt: Date.now(), sealedTo: data.sealingKey, ...by },
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
  ])('%s is not taken for what it says, and one is made for it all the same', async (_what, hello) => {
    const headers = { 'content-type': BUNDLE_MEDIA_TYPE };
    const taken = await harness.admin.api.post('/v1/bundles', await bundleOf(hello), { headers });
    expect([taken.status, taken.data]).toMatchObject([200, { branch: 'B001', lines: 0 }]);
    expect((await harness.admin.api.get('/v1/bundles/B001', { responseType: 'arraybuffer' })).status).toBe(200);
  });
});

describe('the last word of a box', () => {
  const DAY_MS = 86_400_000;
  const at = (number: number) => ({
    ...HELLO,
    cursors: [{ scope: 'tenant', hubEpoch: null, number, hash: 'a'.repeat(64) }],
  });
  const taken = async (number: number, createdAt: number): Promise<boolean> => {
    const headers = { 'content-type': BUNDLE_MEDIA_TYPE };
    const { status, data } = await harness.admin.api.post('/v1/bundles', await bundleOf(at(number), { createdAt }), {
      headers,
    });
    expect(status).toBe(200);
    return data.isNewest;
  };
  const made = async (): Promise<void> =>
    void expect((await harness.admin.api.get('/v1/bundles/B001', { responseType: 'arraybuffer' })).status).toBe(200);
  /** What it has passed, by the hub. */
  const passed = async (): Promise<number | undefined> => {
    const rows = await harness.database.asOwner<{ number: string }>(
      `SELECT number FROM box_cursor WHERE scope = 'tenant'`,
    );
    return rows[0] && Number(rows[0].number);
  };

  it('is in the bundle that it made last, in whichever order they come', async () => {
    const nowMs = Date.now();
    expect(await taken(5, nowMs - 1_000)).toBe(true);
    expect(await taken(3, nowMs - DAY_MS)).toBe(false);
    await made();
    expect(await passed()).toBe(5);
  });

  it('is what it said by line since, when a bundle is made by what it said before', async () => {
    await taken(6, Date.now());
    await box.hello({ cursors: at(9).cursors });
    expect(await passed()).toBe(9);
    await made();
    expect(await passed()).toBe(9);
  });

  it('is believed again after its clock was ahead for a while', async () => {
    expect(await taken(10, Date.now() + 3_650 * DAY_MS)).toBe(true);
    expect(await taken(11, Date.now() + 1)).toBe(true);
    await made();
    expect(await passed()).toBe(11);
  });
});

it('a bundle in a protocol that is not spoken here is refused with what is to be done, and people see it', async () => {
  const headers = { 'content-type': BUNDLE_MEDIA_TYPE };
  const { status, data } = await harness.admin.api.post('/v1/bundles', await bundleOf({ ...HELLO, protocol: 9 }), {
    headers,
  });
  expect([status, data]).toMatchObject([426, { code: 'protocol', spoken: [1, 1] }]);
  expect(data.detail).toContain('Take a bundle of this head office to the store');
  const incidents = await harness.admin.api.get('/v1/incidents', { params: { code: 'bundle-refused' } });
  expect(incidents.data.items).toMatchObject([{ branch: 'B001', count: 1 }]);
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
  expect(data.items).toContainEqual(expect.objectContaining({ branch: null, count: 3 }));
});

function cursors(): object[] {
  const cursor = { scope: 'tenant', hubEpoch: null, number: 0, hash: '0'.repeat(64) };
  return [cursor, cursor];
}
