import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '@branchline/domain/clock.js';
import { createHash } from 'node:crypto';
import { INTEGRATION_ABILITIES } from '../src/integrations/integration-grants.js';
import type { CreatedIntegration, IntegrationItem, NewToken } from '../src/integrations/integration-input.js';
import { startHub } from '../src/start-hub.js';
import {
  apiAt,
  create,
  createBranch,
  createPlaces,
  startHubHarness,
  type HubHarness,
  type Signed,
} from './hub-harness.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let stranger: Signed;
let box: TestBox;
let ahead = 0;
let names = 0;

const DAY_MS = 86_400_000;
const at = (ms: number): string => new Date(systemClock.now() + ahead + ms).toISOString();
const ALL = { abilities: [...INTEGRATION_ABILITIES], scope: 'tenant' };
const REPORT = '/v1/reports/sales?groupBy=branch&from=2026-11-01&to=2026-11-30';

beforeAll(async () => {
  harness = await startHubHarness({ now: () => systemClock.now() + ahead });
  stranger = await harness.newTenant('OTHER');
  await createPlaces(harness.admin.api);
  await create(harness.admin.api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  await createBranch(harness.admin.api, 'B001');
  await createBranch(harness.admin.api, 'B002', { region: 'R2' });
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterAll(() => harness.close());

function made(grants: unknown[] = [ALL], expiresAt = at(30 * DAY_MS)): Promise<CreatedIntegration> {
  names += 1;
  return create(harness.admin.api, '/v1/integrations', { name: `System ${names}`, grants, expiresAt });
}

const get = (token: string, path = REPORT) => apiAt(harness.url, token).get(path);
const statusOf = async (token: string, path = REPORT): Promise<number> => (await get(token, path)).status;
const rotate = (id: string, input: object) => harness.admin.api.post<NewToken>(`/v1/integrations/${id}/tokens`, input);
const itemOf = async (id: string): Promise<IntegrationItem | undefined> =>
  (await harness.admin.api.get('/v1/integrations?limit=200')).data.items.find(
    (item: IntegrationItem) => item.id === id,
  );

describe('an integration', () => {
  it('gets a token that is told once, opens what was named, and is kept as a hash', async () => {
    const grants = [
      { abilities: ['report.read', 'branch.read'], scope: 'branch', id: 'B002' },
      { abilities: ['catalogue.read'], scope: 'tenant' },
    ];
    const created = await made(grants);
    expect(created).toEqual({
      id: expect.any(String),
      name: expect.any(String),
      grants,
      token: { id: expect.any(String), token: expect.stringMatching(/^bls_[\w-]{43}$/), expiresAt: expect.any(String) },
    });
    const { token } = created.token;
    const report = await get(token);
    expect([report.status, report.data.completeness.map((each: { branch: string }) => each.branch)]).toEqual([
      ...[200, ['B002']],
    ]);
    expect((await get(token, '/v1/branches')).data.items.map((each: { code: string }) => each.code)).toEqual(['B002']);
    expect(await statusOf(token, '/v1/catalogue/products')).toBe(200);
    const kept = await harness.database.asOwner<{ row: string }>(
      'SELECT to_jsonb(t)::text AS row FROM integration_token t WHERE id = $1',
      [created.token.id],
    );
    expect(kept[0]?.row).toContain(createHash('sha256').update(token).digest('hex'));
    expect(kept[0]?.row).not.toContain(token.slice('bls_'.length));
  });

  it('is listed without its token, with when it was last used', async () => {
    const { id, name, grants, token } = await made();
    const unused = { id: token.id, createdAt: expect.any(String), expiresAt: token.expiresAt, lastUsedAt: null };
    expect(await itemOf(id)).toEqual({ id, name, grants, createdAt: expect.any(String), tokens: [unused] });
    await get(token.token);
    const used = await itemOf(id);
    expect(Date.parse(String(used?.tokens[0]?.lastUsedAt))).toBeGreaterThan(systemClock.now() - 60_000);
    await get(token.token);
    expect(await itemOf(id)).toEqual(used);
  });

  it('is refused what was not named: 403 for an ability, 404 for a branch', async () => {
    const { token } = await made([{ abilities: ['report.read'], scope: 'branch', id: 'B001' }]);
    for (const path of ['/v1/fleet', '/v1/branches', '/v1/quarantine', '/v1/catalogue/products']) {
      expect([path, await statusOf(token.token, path)]).toEqual([path, 403]);
    }
    expect(await statusOf(token.token, `${REPORT}&branch=B002`)).toBe(404);
    const verifier = await made([{ abilities: ['fleet.verify'], scope: 'region', id: 'R2' }]);
    const verify = (code: string) => apiAt(harness.url, verifier.token.token).post(`/v1/fleet/${code}/verify`);
    expect([(await verify('B002')).status, (await verify('B001')).status]).toEqual([200, 404]);
  });

  it('imports a catalogue, and is what the release bears as its maker', async () => {
    const { id, token } = await made();
    const csv = 'product,name,assortments,priceZone,priceMinor\nP1,One,A1,Z1,100\n';
    const headers = { 'content-type': 'text/csv' };
    const { data } = await apiAt(harness.url, token.token).post('/v1/imports/products', csv, { headers });
    const [release] = await harness.database.asOwner('SELECT created_by FROM release WHERE id = $1', [data.release]);
    expect(release).toEqual({ created_by: id });
  });

  it('opens no door of people’s or boxes’, whatever it may', async () => {
    const { token } = await made();
    const { data } = await harness.anonymous.get<{ paths: Record<string, Record<string, unknown>> }>('/docs/json');
    const opened: string[] = [];
    for (const [path, methods] of Object.entries(data.paths)) {
      for (const method of Object.keys(methods)) {
        const url = path
          .replaceAll(/\{code\}/g, 'B001')
          .replaceAll(/\{scope\}/g, 'tenant')
          .replaceAll(/\{\w+\}/g, 'x');
        const body = method === 'get' ? {} : { data: {} };
        const [own, nobodys] = await Promise.all(
          [apiAt(harness.url, token.token), harness.anonymous].map((api) => api.request({ method, url, ...body })),
        );
        if (nobodys?.status === 401 && own?.status !== 401) opened.push(`${method} ${path}`);
      }
    }
    expect(opened.sort()).toEqual([
      'get /v1/branches',
      'get /v1/branches/{code}',
      'get /v1/catalogue/products',
      'get /v1/conflicts',
      'get /v1/conflicts/{id}',
      'get /v1/fleet',
      'get /v1/fleet/{code}/verification',
      'get /v1/incidents',
      'get /v1/quarantine',
      'get /v1/quarantine/{id}',
      'get /v1/reports/amendments',
      'get /v1/reports/sales',
      'post /v1/assortments/{code}/products',
      'post /v1/fleet/{code}/verify',
      'post /v1/imports/products',
    ]);
    expect((await box.push(box.newJournal().push(), { token: token.token })).status).toBe(401);
  });

  it.each([
    ['an ability of people', { abilities: ['people.manage'], scope: 'tenant' }],
    ['its own kind', { abilities: ['integration.manage'], scope: 'tenant' }],
    ['enrolment', { abilities: ['device.enrol'], scope: 'tenant' }],
    ['a role', { role: 'administrator', scope: 'tenant' }],
    ['nothing', { abilities: [], scope: 'tenant' }],
    ['a branch that is not there', { abilities: ['report.read'], scope: 'branch', id: 'B999' }],
    ['a branch without a name', { abilities: ['report.read'], scope: 'branch' }],
  ])('cannot be given %s', async (_what, grant) => {
    const input = { name: 'X', grants: [grant], expiresAt: at(DAY_MS) };
    const { status } = await harness.admin.api.post('/v1/integrations', input);
    expect(status).toBe(400);
  });

  it.each([
    ['never', undefined],
    ['in more than a year', 367 * DAY_MS],
    ['in the past', -1_000],
  ])('cannot have a token that expires %s', async (_when, ms) => {
    const input = { name: 'X', grants: [ALL], ...(ms !== undefined && { expiresAt: at(ms) }) };
    const { status, data } = await harness.admin.api.post('/v1/integrations', input);
    expect([status, data.code]).toEqual([400, 'invalid-field']);
  });

  it('has a name of its own as long as it lives', async () => {
    const { id, name } = await made();
    const again = { name, grants: [ALL], expiresAt: at(DAY_MS) };
    expect((await harness.admin.api.post('/v1/integrations', again)).data.code).toBe('already-exists');
    await harness.admin.api.delete(`/v1/integrations/${id}`);
    expect((await harness.admin.api.post('/v1/integrations', again)).status).toBe(201);
  });
});

describe('a token of an integration', () => {
  it('opens nothing from the moment it expires', async () => {
    const { id, token } = await made([ALL], at(DAY_MS));
    ahead = DAY_MS - 60_000;
    expect(await statusOf(token.token)).toBe(200);
    ahead = DAY_MS + 1_000;
    expect(await statusOf(token.token)).toBe(401);
    ahead = 0;
    expect((await itemOf(id))?.tokens).toHaveLength(1);
  });

  it('opens nothing from the request after it was revoked, and another of the same integration stays', async () => {
    const { id, token } = await made();
    const second = await rotate(id, { expiresAt: at(DAY_MS) });
    expect(second.status).toBe(201);
    expect([await statusOf(token.token), await statusOf(second.data.token)]).toEqual([200, 200]);
    const revoke = () => harness.admin.api.delete(`/v1/integrations/${id}/tokens/${token.id}`);
    expect((await revoke()).status).toBe(204);
    expect([await statusOf(token.token), await statusOf(second.data.token)]).toEqual([401, 200]);
    expect((await revoke()).status).toBe(204);
    expect((await itemOf(id))?.tokens.map((each) => each.id)).toEqual([second.data.id]);
  });

  it('is one of two at most, also when three rotate at once', async () => {
    const { id, token } = await made();
    const tries = await Promise.all([1, 2, 3].map(() => rotate(id, { expiresAt: at(DAY_MS) })));
    expect(tries.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    expect(tries.find(({ status }) => status === 409)?.data).toMatchObject({ code: 'two-tokens-alive' });
    await harness.admin.api.delete(`/v1/integrations/${id}/tokens/${token.id}`);
    expect((await rotate(id, { expiresAt: at(DAY_MS) })).status).toBe(201);
  });

  it('that is replaced stays good as long as was said, and never longer than it was', async () => {
    const { id, token } = await made([ALL], at(2 * DAY_MS));
    await rotate(id, { expiresAt: at(10 * DAY_MS), previousExpiresAt: at(3_600_000) });
    ahead = 3_500_000;
    expect(await statusOf(token.token)).toBe(200);
    ahead = 3_700_000;
    expect(await statusOf(token.token)).toBe(401);
    ahead = 0;
    const other = await made([ALL], at(DAY_MS));
    await rotate(other.id, { expiresAt: at(10 * DAY_MS), previousExpiresAt: at(5 * DAY_MS) });
    const [, first] = (await itemOf(other.id))?.tokens ?? [];
    expect(first?.expiresAt).toBe(other.token.expiresAt);
  });

  it('ends with its integration, which then has none', async () => {
    const { id, token } = await made();
    expect((await harness.admin.api.delete(`/v1/integrations/${id}`)).status).toBe(204);
    expect(await statusOf(token.token)).toBe(401);
    expect((await harness.admin.api.delete(`/v1/integrations/${id}`)).status).toBe(404);
    expect((await rotate(id, { expiresAt: at(DAY_MS) })).status).toBe(404);
    expect(await itemOf(id)).toBeUndefined();
  });

  it('that is unknown, malformed, of another kind or not in the header opens nothing', async () => {
    const { token } = await made();
    const secret = token.token.slice('bls_'.length);
    const refused = [
      `bls_${'A'.repeat(43)}`,
      'bls_',
      `bls_${secret.slice(1)}`,
      `bld_${secret}`,
      `blr_${secret}`,
      secret,
      `${token.token}x`,
      createHash('sha256').update(token.token).digest('hex'),
      box.token,
      harness.admin.refreshToken,
    ];
    for (const each of refused) expect([each, await statusOf(each)]).toEqual([each, 401]);
    for (const name of ['token', 'access_token', 'authorization', 'bearer']) {
      expect((await harness.anonymous.get(`${REPORT}&${name}=${token.token}`)).status).toBe(401);
    }
    const cookie = { headers: { cookie: `token=${token.token}`, 'x-api-key': token.token } };
    expect((await harness.anonymous.get(REPORT, cookie)).status).toBe(401);
    const basic = { headers: { authorization: `Basic ${Buffer.from(`${token.token}:`).toString('base64')}` } };
    expect((await harness.anonymous.get(REPORT, basic)).status).toBe(401);
    expect(await statusOf(token.token)).toBe(200);
  });

  it('is not guessed at without end, while one that has merely expired may ask on', async () => {
    const config = { databaseUrl: harness.databaseUrl, host: '127.0.0.1', port: 0, secretsDir: harness.secretsDir };
    const quiet = { log: () => undefined, warn: () => undefined, error: () => undefined };
    const fresh = await startHub({ ...config, logLevel: 'fatal' }, systemClock, quiet);
    try {
      const { id, token } = await made();
      await harness.admin.api.delete(`/v1/integrations/${id}`);
      const ask = async (with_: string) => (await apiAt(fresh.url, with_).get(REPORT)).status;
      for (let times = 0; times < 30; times += 1) expect(await ask(token.token)).toBe(401);
      const guesses: number[] = [];
      for (let times = 0; times < 25; times += 1) guesses.push(await ask(`bls_${String(times).padStart(43, 'A')}`));
      expect([guesses[0], guesses.at(-1)]).toEqual([401, 429]);
      // Others ask from the same address, which may be that of a proxy.
      expect(await ask((await made()).token.token)).toBe(200);
    } finally {
      await fresh.close();
    }
  });

  it('is in no log, whatever is done with it', async () => {
    const lines: string[] = [];
    const record = (...told: unknown[]): void => void lines.push(JSON.stringify(told));
    const logger = { log: record, warn: record, error: record, debug: record, verbose: record, fatal: record };
    const config = { databaseUrl: harness.databaseUrl, host: '127.0.0.1', port: 0, secretsDir: harness.secretsDir };
    const told = await startHub({ ...config, logLevel: 'verbose' }, systemClock, logger);
    try {
      const admin = apiAt(told.url, harness.admin.accessToken);
      names += 1;
      const input = { name: `System ${names}`, grants: [ALL], expiresAt: at(DAY_MS) };
      const { id, token } = await create<CreatedIntegration>(admin, '/v1/integrations', input);
      const rotated = await create<NewToken>(admin, `/v1/integrations/${id}/tokens`, { expiresAt: at(DAY_MS) });
      await apiAt(told.url, token.token).get(REPORT);
      await apiAt(told.url, token.token).get(`${REPORT}&token=${token.token}`);
      await apiAt(told.url, token.token).get('/v1/people');
      await admin.delete(`/v1/integrations/${id}/tokens/${token.id}`);
      await apiAt(told.url, token.token).get(REPORT);
      const all = lines.join('\n');
      expect(all).toContain('integration-token-revoked');
      for (const secret of [token.token, rotated.token]) expect(all).not.toContain(secret.slice('bls_'.length));
    } finally {
      await told.close();
    }
  });
});

describe('who manages integrations', () => {
  it('sees and ends only those of his own chain', async () => {
    const { id, token } = await made();
    expect((await stranger.api.get('/v1/integrations')).data.items).toEqual([]);
    for (const answer of [
      await stranger.api.delete(`/v1/integrations/${id}`),
      await stranger.api.delete(`/v1/integrations/${id}/tokens/${token.id}`),
      await stranger.api.post(`/v1/integrations/${id}/tokens`, { expiresAt: at(DAY_MS) }),
    ]) {
      expect(answer.status).toBe(404);
    }
    const other = await made();
    expect((await harness.admin.api.delete(`/v1/integrations/${other.id}/tokens/${token.id}`)).status).toBe(404);
    expect(await statusOf(token.token)).toBe(200);
  });

  it.each([
    ['auditor', 'tenant', undefined],
    ['area-manager', 'tenant', undefined],
    ['administrator', 'branch', 'B001'],
  ])('is no %s of a %s', async (role, scope, id) => {
    const email = `${role}@acme.example`;
    const grants = [{ role, scope, ...(id !== undefined && { id }) }];
    const { data } = await harness.admin.api.post('/v1/people', { email, name: role, grants });
    const { api } = await harness.signIn(email, data.password);
    expect((await api.get('/v1/integrations')).status).toBe(403);
    const input = { name: 'Y', grants: [ALL], expiresAt: at(DAY_MS) };
    expect((await api.post('/v1/integrations', input)).status).toBe(403);
  });
});
