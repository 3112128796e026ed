import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FEED_KINDS } from '@branchline/replication/feed.js';
import { createBranch, createPlaces, startHubHarness, type HubHarness, type Signed } from './hub-harness.js';
import { readFeed } from '../src/feed/read-feed.js';

let harness: HubHarness;
let other: Signed;
let branchId: string;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  branchId = (await createBranch(harness.admin.api, 'B001')).id;
  other = await harness.newTenant('OTHER');
});
afterAll(() => harness.close());

const scopeRecords = async (scope: string) => {
  await harness.numbered();
  return harness.database.transaction(harness.admin.tenantId, (tx) => readFeed(tx, scope, { number: 0 }));
};

describe('branches', () => {
  it('tells a new branch its settings by feed', async () => {
    const page = await scopeRecords(`branch:${branchId}`);
    const settings = page.records.find((record) => record.kind === 'branch-settings');
    expect(FEED_KINDS['branch-settings'].parse(settings?.body)).toMatchObject({
      code: 'B001',
      cutOffMinutes: 240,
      defaultTaxClass: 'STD',
    });
  });

  it('refuses a code that is taken, and names the region that is unknown', async () => {
    const taken = await harness.admin.api.post('/v1/regions', { code: 'R1', name: 'again' });
    expect([taken.status, taken.data.code]).toEqual([409, 'already-exists']);
    const body = {
      code: 'B009',
      name: 'x',
      region: 'NOWHERE',
      priceZone: 'Z1',
      assortment: 'A1',
      timeZone: 'UTC',
      currency: 'ZAR',
    };
    const unknown = await harness.admin.api.post('/v1/branches', body);
    expect([unknown.status, unknown.data.errors[0].path]).toEqual([400, 'region']);
    const foreign = await harness.admin.api.post('/v1/branches', { ...body, region: 'R1', currency: 'USD' });
    expect([foreign.status, foreign.data.errors[0].path]).toEqual([400, 'currency']);
  });

  it('answers for another tenant as if the branch were not there', async () => {
    for (const [method, path, data] of [
      ['get', '/v1/branches/B001', undefined],
      ['post', '/v1/branches/B001/enrolment-codes', { for: 'box' }],
      ['get', '/v1/branches/B001/staff', undefined],
      ['post', '/v1/branches/B001/staff', { operator: 'anna', name: 'Anna', role: 'cashier', pin: '1234' }],
      ['patch', '/v1/branches/B001/staff/anna', { active: false }],
    ] as const) {
      const answer = await other.api.request({ method, url: path, data });
      expect([path, answer.status, answer.data.code]).toEqual([path, 404, 'not-found']);
    }
    expect((await other.api.get('/v1/branches')).data).toEqual({ items: [], next: null });
  });

  it('shows a store manager his branch only', async () => {
    await createBranch(harness.admin.api, 'B002');
    const grants = [{ role: 'store-manager', scope: 'branch', id: 'B001' }];
    const created = await harness.admin.api.post('/v1/people', {
      email: 'manager@acme.example',
      name: 'Manager',
      grants,
    });
    expect(created.status).toBe(201);
    const { api } = await harness.signIn('manager@acme.example', created.data.password);
    const list = await api.get('/v1/branches');
    expect(list.data.items.map((branch: { code: string }) => branch.code)).toEqual(['B001']);
    expect((await api.get('/v1/branches/B002')).status).toBe(404);
    expect((await api.post('/v1/branches/B002/staff', { operator: 'x', name: 'X', role: 'cashier' })).status).toBe(404);
    expect(
      (await api.post('/v1/branches/B001/staff', { operator: 'carl', name: 'Carl', role: 'cashier', pin: '4711' }))
        .status,
    ).toBe(201);
    expect(
      (await api.post('/v1/branches/B001/staff', { operator: 'evil', name: 'E', role: 'administrator' })).status,
    ).toBe(403);
    expect((await api.post('/v1/branches/B001/enrolment-codes', { for: 'box' })).status).toBe(403);
    expect((await api.post('/v1/branches/B001/enrolment-codes', { for: 'device', till: 'T1' })).status).toBe(201);
    expect((await api.get('/v1/people')).status).toBe(403);
    expect((await api.post('/v1/regions', { code: 'R9', name: 'R' })).status).toBe(403);
  });

  it('pages through a list', async () => {
    for (const code of ['R2', 'R3']) await harness.admin.api.post('/v1/regions', { code, name: code });
    const first = await harness.admin.api.get('/v1/regions?limit=2');
    expect(first.data.items.map((region: { code: string }) => region.code)).toEqual(['R1', 'R2']);
    const second = await harness.admin.api.get('/v1/regions', { params: { limit: 2, after: first.data.next } });
    expect(second.data).toEqual({ items: [{ code: 'R3', name: 'R3' }], next: null });
  });
});

describe('enrolment codes', () => {
  it('sends the hash of a device code to the branch and keeps the code to itself', async () => {
    const answer = await harness.admin.api.post('/v1/branches/B001/enrolment-codes', { for: 'device', till: 'T7' });
    expect(answer.data.code).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
    const page = await scopeRecords(`branch:${branchId}`);
    const record = page.records.find(({ kind, body }) => kind === 'device-code' && body['till'] === 'T7');
    expect(FEED_KINDS['device-code'].parse(record?.body).expiresAt).toBe(Date.parse(answer.data.expiresAt));
    expect(JSON.stringify(page)).not.toContain(answer.data.code);
  });

  it('asks for a till where a device is meant, and only there', async () => {
    for (const body of [{ for: 'device' }, { for: 'box', till: 'T1' }, { for: 'box', tenant: 'x' }]) {
      expect((await harness.admin.api.post('/v1/branches/B001/enrolment-codes', body)).status).toBe(400);
    }
  });
});

describe('staff', () => {
  it('sends operators with a verifier that is not the PIN, and their changes', async () => {
    const body = { operator: 'anna', name: 'Anna', role: 'supervisor', pin: '2580' };
    expect((await harness.admin.api.post('/v1/branches/B001/staff', body)).data).toEqual({
      operator: 'anna',
      name: 'Anna',
      role: 'supervisor',
      hasPin: true,
      active: true,
    });
    expect((await harness.admin.api.post('/v1/branches/B001/staff', body)).status).toBe(409);
    expect((await harness.admin.api.patch('/v1/branches/B001/staff/anna', { active: false })).data.active).toBe(false);
    const page = await scopeRecords(`branch:${branchId}`);
    const records = page.records.filter(({ kind, key }) => kind === 'operator' && key === 'anna');
    expect(records.map((record) => [record.version, record.body['active']])).toEqual([
      [1, true],
      [2, false],
    ]);
    const operator = FEED_KINDS.operator.parse(records[1]?.body);
    expect(operator.grants).toEqual([{ role: 'supervisor', scope: 'branch', id: branchId }]);
    expect(operator.pinVerifier).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });
});
