import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';

let harness: HubHarness;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await createBranch(harness.admin.api, 'B001');
});
afterAll(() => harness.close());

const NIL = '00000000-0000-0000-0000-000000000000';
const WORK_LISTS = ['/v1/quarantine', '/v1/conflicts'];
const LISTS = [
  '/v1/branches',
  '/v1/branches/B001/staff',
  '/v1/regions',
  '/v1/price-zones',
  '/v1/assortments',
  '/v1/tax-classes',
  '/v1/people',
  '/v1/catalogue/products',
  '/v1/fleet',
];
const hostile: [string, unknown[]][] = [
  ...LISTS.flatMap((list): [string, unknown[]][] => [
    [list, ['\0']],
    [list, ['a', 'b']],
  ]),
  ...WORK_LISTS.flatMap((list): [string, unknown[]][] => [
    [list, [Number.MIN_SAFE_INTEGER, NIL]],
    [list, [Number.MAX_SAFE_INTEGER, NIL]],
    [list, [0, '\0']],
  ]),
];

it.each(hostile)('%s refuses the forged cursor %j as a field, not as a failure of the hub', async (list, keys) => {
  const after = Buffer.from(JSON.stringify(keys)).toString('base64url');
  const { status, data } = await harness.admin.api.get(list, { params: { after } });
  expect([status, data.code]).toEqual([400, 'invalid-field']);
});
