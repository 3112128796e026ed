import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { routesOf } from '@branchline/access/declared-routes.js';
import { PasswordHasher } from '@branchline/access/password.js';
import { systemClock } from '@branchline/domain/clock.js';
import { createHttpApp, listen } from '@branchline/http/app.js';
import { createLogger } from '@branchline/http/log.js';
import { feedPageSchema } from '@branchline/replication/feed.js';
import { PROTOCOL, PROTOCOL_HEADER, SPOKEN } from '@branchline/replication/protocol.js';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { HubModule } from '../src/hub.module.js';
import { HubSecrets } from '../src/secrets.js';
import { apiAt, create, createBranch, createPlaces, startHubHarness, type HubHarness } from './hub-harness.js';
import { TestBox } from './test-box.js';

let harness: HubHarness;
let box: TestBox;

beforeAll(async () => {
  harness = await startHubHarness();
  await createPlaces(harness.admin.api);
  await create(harness.admin.api, '/v1/regions', { code: 'R2', name: 'Region 2' });
  await createBranch(harness.admin.api, 'B001');
  await createBranch(harness.admin.api, 'B002', { region: 'R2' });
  box = await TestBox.enrol(harness.url, harness.admin.api, 'B001');
});
afterAll(() => harness.close());

const OPEN = new Set([
  'post /v1/auth/login',
  'post /v1/auth/link',
  'post /v1/auth/refresh',
  'post /v1/auth/logout',
  'post /sync/v1/enrol',
  'post /sync/v1/token',
  'get /health/live',
  'get /health/ready',
]);

const enrolment = { code: 'AAAA-BBBB-CCCC', signingKey: 'A'.repeat(43), sealingKey: 'A'.repeat(43) };

/** What everybody who is signed in may do for himself, whatever his roles. */
const FOR_ONESELF = new Set(['post /v1/auth/links']);

type Route = { method: string; path: string };

/** Every route, from the document that is generated from the router. */
async function closedRoutes(): Promise<Route[]> {
  const { data } = await harness.anonymous.get<{ paths: Record<string, Record<string, unknown>> }>('/docs/json');
  const routes = Object.entries(data.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method, path })),
  );
  return routes.filter(({ method, path }) => !OPEN.has(`${method} ${path}`));
}

const pathOf = (path: string): string =>
  path
    .replaceAll(/\{code\}/g, 'B001')
    .replaceAll(/\{scope\}/g, 'tenant')
    .replaceAll(/\{\w+\}/g, 'x');

async function answersTo(token: string | undefined, routes: Route[]): Promise<[string, number][]> {
  const api = apiAt(harness.url, token);
  return Promise.all(
    routes.map(async ({ method, path }): Promise<[string, number]> => {
      const { status } = await api.request({ method, url: pathOf(path), ...(method !== 'get' && { data: {} }) });
      return [`${method} ${path}`, status];
    }),
  );
}

describe('every route', () => {
  it('is closed to who is not known, but for those that are open by name', async () => {
    const routes = await closedRoutes();
    expect(routes.length).toBeGreaterThan(20);
    const answers = await answersTo(undefined, routes);
    expect(answers.filter(([, status]) => status !== 401)).toEqual([]);
  });

  it('that is open is one of these, also where the document leaves it out', () => {
    const routes = routesOf(harness.hub.app.get(ModulesContainer));
    const open = routes
      .filter(({ access }) => access?.open)
      .map(({ controller, handler }) => `${controller}.${handler}`);
    expect(open.sort()).toEqual([
      'AuthController.byLink',
      'AuthController.login',
      'AuthController.logout',
      'AuthController.refresh',
      'HealthController.live',
      'HealthController.ready',
      'MetricsController.read',
      'PageController.file',
      'PageController.page',
      'SyncController.enrol',
      'SyncController.token',
    ]);
  });

  it('of people is closed to boxes, and of boxes to people', async () => {
    const routes = await closedRoutes();
    const ofBoxes = routes.filter(({ path }) => path.startsWith('/sync/'));
    const ofPeople = routes.filter(({ path }) => !path.startsWith('/sync/'));
    expect([ofBoxes.length > 2, ofPeople.length > 15]).toEqual([true, true]);
    expect((await answersTo(box.token, ofPeople)).filter(([, status]) => status !== 401)).toEqual([]);
    expect((await answersTo(harness.admin.accessToken, ofBoxes)).filter(([, status]) => status !== 401)).toEqual([]);
  });

  it('of boxes tells one that speaks another protocol what is spoken here, and a code is not spent on it', async () => {
    const ofBoxes = (await closedRoutes()).filter(({ path }) => path.startsWith('/sync/'));
    const asked = [...ofBoxes, { method: 'post', path: '/sync/v1/enrol' }];
    const headers = { [PROTOCOL_HEADER]: String(PROTOCOL + 1) };
    for (const { method, path } of asked) {
      const body = { ...(method !== 'get' && { data: enrolment }) };
      const answer = await apiAt(harness.url, box.token).request({ method, url: pathOf(path), headers, ...body });
      const told = { status: 426, code: 'protocol', spoken: [SPOKEN.from, SPOKEN.to] };
      expect([path, answer.data]).toEqual([path, expect.objectContaining(told)]);
    }
  });

  it('is closed to a person without any role there', async () => {
    const grants = [{ role: 'stock-clerk', scope: 'branch', id: 'B001' }];
    const { data } = await harness.admin.api.post('/v1/people', { email: 'till@acme.example', name: 'Till', grants });
    const { accessToken } = await harness.signIn('till@acme.example', data.password);
    const ofPeople = (await closedRoutes()).filter(
      ({ method, path }) => !path.startsWith('/sync/') && !FOR_ONESELF.has(`${method} ${path}`),
    );
    expect((await answersTo(accessToken, ofPeople)).filter(([, status]) => status !== 403)).toEqual([]);
  });

  it('says who may enter, or the hub does not start', async () => {
    @Controller('v1/bare')
    class BareController {
      @Get()
      read(): string {
        return 'anybody';
      }
    }
    const folder = mkdtempSync(join(tmpdir(), 'branchline-bare-'));
    const parts = {
      database: harness.database,
      secrets: HubSecrets.open(join(folder, 'secrets')),
      clock: systemClock,
      newId: v7,
      randomBytes,
      passwords: new PasswordHasher(),
      snapshotPlace: folder,
    };
    @Module({ imports: [HubModule.forRoot(parts)], controllers: [BareController] })
    class BareModule {}
    const app = await createHttpApp(BareModule, {
      name: 'bare',
      version: '0',
      bodyBytesMax: 1_000,
      logger: createLogger('hub', 'fatal'),
    });
    await expect(listen(app, { host: '127.0.0.1', port: 0 })).rejects.toThrow('BareController.read');
    rmSync(folder, { recursive: true });
  });
});

describe('the feed of a box', () => {
  const read = (scope: string, query = '', headers: Record<string, string> = {}) =>
    apiAt(harness.url, box.token).get(`/sync/v1/feed/${scope}${query}`, { headers });

  it('is that of its own branch, region, zone, assortment and tenant', async () => {
    await harness.numbered();
    for (const scope of [`branch:${box.branch}`, 'region:R1', 'zone:Z1', 'assortment:A1', 'tenant']) {
      const answer = await read(scope);
      expect([scope, answer.status]).toEqual([scope, 200]);
      expect(feedPageSchema.parse(answer.data).scope).toBe(scope);
    }
    const other = (await harness.admin.api.get('/v1/branches/B002')).data.id as string;
    for (const scope of [`branch:${other}`, 'region:R2', 'zone:Z9', 'assortment:A9']) {
      const answer = await read(scope);
      expect([scope, answer.status, answer.data.code]).toEqual([scope, 403, 'not-yours']);
    }
    expect((await read('everything')).status).toBe(400);
  });

  it('refuses a cursor that is on another feed', async () => {
    await harness.numbered();
    const page = feedPageSchema.parse((await read('tenant')).data);
    const last = page.records.at(-1);
    expect((await read('tenant', `?after=${page.newest}&hash=${last?.hash}`)).data.records).toEqual([]);
    for (const query of [`?after=${page.newest + 1}`, `?after=${page.newest}&hash=${'a'.repeat(64)}`]) {
      const answer = await read('tenant', query);
      expect([query, answer.status, answer.data.code]).toEqual([query, 409, 'feed-fork']);
    }
  });

  it.each([
    ['br', 'br'],
    ['gzip, br;q=0', 'gzip'],
    ['identity', undefined],
  ])('is compressed as asked: %s', async (accepted, encoding) => {
    for (let at = 0; at < 10; at += 1) {
      await harness.admin.api.post('/v1/branches/B001/enrolment-codes', { for: 'device', till: `T${at}` });
    }
    await harness.numbered();
    const answer = await read(`branch:${box.branch}`, '', { 'accept-encoding': accepted });
    // axios takes the encoding away with the compression; what is left proves that the bytes were what they were said to be.
    const raw = await fetch(`${harness.url}/sync/v1/feed/branch:${box.branch}`, {
      headers: { authorization: `Bearer ${box.token}`, 'accept-encoding': accepted },
    });
    await raw.arrayBuffer();
    expect(raw.headers.get('content-encoding') ?? undefined).toBe(encoding);
    expect(feedPageSchema.parse(answer.data).records.length).toBeGreaterThan(10);
  });
});
