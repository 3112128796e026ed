import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { v7 } from 'uuid';
import { bearer, EdgeHarness, type TestTill } from './edge-harness.js';

type Route = { method: string; path: string };

let edge: EdgeHarness;
let nobody: TestTill;
let routes: Route[];

/** By the till's own token, or by nothing at all: what a browser needs before somebody has signed in. */
const BY_DEVICE = ['POST /v1/auth/pin', 'POST /v1/tills/{till}/batch'];
const FOR_ALL = ['POST /v1/devices/enrol', 'POST /v1/auth/refresh', 'POST /v1/auth/logout'];

beforeAll(async () => {
  edge = await EdgeHarness.start();
  await edge.settings();
  await edge.operator('NIL', 'no-such-role');
  nobody = await edge.till('T1', 'NIL');
  const { data } = await edge.http.get('/docs/json', {
    baseURL: edge.http.defaults.baseURL?.replace('/v1', '') as string,
  });
  routes = Object.entries(data.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
});
afterAll(() => edge.close());

const nameOf = ({ method, path }: Route): string => `${method} ${path}`;
const ofOperators = (): Route[] => routes.filter((route) => ![...BY_DEVICE, ...FOR_ALL].includes(nameOf(route)));

/** With values that each path accepts, so that only the door can refuse. */
async function statusOf({ method, path }: Route, token?: string): Promise<number> {
  const url = path
    .replace('/v1', '')
    .replace('{id}', v7())
    .replace('{till}', 'T1')
    .replace('{businessDate}', '2026-11-20');
  const { status } = await edge.http.request({ method, url, ...(token !== undefined && bearer(token)) });
  return status;
}

describe('every route of the edge', () => {
  it('is in the OpenAPI document, all of the contract among them', () => {
    expect(routes.map(nameOf)).toEqual(
      expect.arrayContaining([
        ...BY_DEVICE,
        ...FOR_ALL,
        'POST /v1/shifts',
        'POST /v1/shifts/{id}/close',
        'GET /v1/shifts/{id}/x',
        'POST /v1/days/{businessDate}/seal',
        'POST /v1/sales',
        'GET /v1/sales',
        'GET /v1/sales/{id}',
        'GET /v1/products',
        'GET /v1/stock',
      ]),
    );
  });

  it('is closed to whoever shows no token, unless it is where one gets it', async () => {
    for (const route of routes.filter((each) => !FOR_ALL.includes(nameOf(each)))) {
      expect([nameOf(route), await statusOf(route)]).toEqual([nameOf(route), 401]);
    }
  });

  it('is closed to an operator whose role allows nothing', async () => {
    for (const route of ofOperators()) {
      expect([nameOf(route), await statusOf(route, nobody.accessToken)]).toEqual([nameOf(route), 403]);
    }
  });

  it('opens to one kind of token only', async () => {
    for (const route of ofOperators()) {
      for (const token of [nobody.device.deviceToken, nobody.refreshToken]) {
        expect([nameOf(route), await statusOf(route, token)]).toEqual([nameOf(route), 401]);
      }
    }
    for (const name of BY_DEVICE) {
      const [method = '', path = ''] = name.split(' ');
      expect([name, await statusOf({ method, path }, nobody.accessToken)]).toEqual([name, 401]);
    }
  });
});

describe('spelling of paths', () => {
  it.each(['/SALES', '//sales', '/sales/', '/%73ales', '/sales/..%2fstock', '/sales;x=1', '/./sales'])(
    'decides alike for %s: never past the door',
    async (url) => {
      const { status } = await edge.http.get(`${edge.http.defaults.baseURL}${url}`);
      expect([401, 404, 400]).toContain(status);
    },
  );
});

describe('hostile bodies', () => {
  it.each([
    ['a key twice', '{"operator":"A","operator":"B","pin":"1234"}'],
    ['__proto__', '{"__proto__":{"x":1},"operator":"A","pin":"1234"}'],
    ['NUL', '{"operator":"A\\u0000","pin":"1234"}'],
    ['half a surrogate pair', '{"operator":"\\ud800","pin":"1234"}'],
    ['NaN', '{"operator":NaN,"pin":"1234"}'],
    ['depth', '['.repeat(5_000)],
    ['a number where a text belongs', '{"operator":1,"pin":"1234"}'],
  ])('with %s get 4xx', async (_what, text) => {
    const { status, data } = await edge.http.post('/auth/pin', text, {
      headers: { ...bearer(nobody.device.deviceToken).headers, 'content-type': 'application/json' },
      transformRequest: (body: string) => body,
    });
    expect(status).toBe(400);
    expect(data.code).toMatch(/malformed-json|invalid-field/);
  });
});
