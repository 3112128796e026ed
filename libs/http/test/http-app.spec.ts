import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, HttpCode, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import axios from 'axios';
import { connect } from 'node:net';
import { z } from 'zod';
import { createHttpApp, listen } from '../src/app.js';
import { EnvironmentFailure } from '../src/exit.js';
import { code, minor, quantity, text, uuid } from '../src/fields.js';
import { HealthModule } from '../src/health.js';
import { MetricsModule } from '../src/metrics.js';
import { pageQuery } from '../src/pagination.js';
import { problem } from '../src/problem.js';
import { body, param, query } from '../src/schema.js';

const cartSchema = z.strictObject({
  id: uuid,
  till: code,
  note: text(20).optional(),
  lines: z.array(z.strictObject({ lineNo: z.int(), quantity, amountMinor: minor })),
});
const listSchema = z.strictObject({ ...pageQuery, till: code.optional() });

class DomainError extends Error {
  override readonly name = 'DomainError';
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

@Controller('v1')
class CartController {
  @Post('carts')
  take(@body(cartSchema) cart: z.infer<typeof cartSchema>): unknown {
    return cart;
  }

  @Post('nothing')
  @HttpCode(204)
  nothing(): void {}

  @Get('carts')
  list(@query(listSchema) page: z.infer<typeof listSchema>): unknown {
    return page;
  }

  @Get('carts/:id')
  one(@param('id', uuid) id: string): unknown {
    return { id };
  }

  @Post('files')
  file(@body(z.instanceof(Buffer)) bytes: Buffer): unknown {
    return { bytes: bytes.length };
  }

  @Get('throws/domain')
  domain(): never {
    throw new DomainError('day-sealed', '2026-11-20 is sealed');
  }

  @Get('throws/unregistered')
  unregistered(): never {
    throw new DomainError('no-such-code', 'inner words');
  }

  @Get('throws/bug')
  bug(): never {
    throw new Error('inner words: password=hunter2');
  }

  @Get('throws/problem')
  refused(): never {
    throw problem('too-many-requests', 'slowly', { headers: { 'retry-after': '7' } });
  }
}

const logged: unknown[][] = [];
const keep = (...entry: unknown[]): void => void logged.push(entry);
const quiet = { log: () => undefined, warn: keep, error: keep };
const readiness = { ready: true, queue: 3 };

@Module({
  imports: [MetricsModule.forRoot(), HealthModule.forRoot({ useFactory: () => () => readiness })],
  controllers: [CartController],
})
class CartModule {}

const ID = '01930000-0000-7000-8000-000000000001';
const CART = { id: ID, till: 'T1', lines: [{ lineNo: 1, quantity: 0.456, amountMinor: -150 }] };
const options = {
  name: 'carts',
  version: '1.2.3',
  bodyBytesMax: 4_000,
  rawBodyBytesMax: { 'text/csv': 9_000 },
  logger: quiet,
};

let app: NestFastifyApplication;
let port = 0;
const client = axios.create({ validateStatus: () => true, timeout: 5_000 });

beforeAll(async () => {
  app = await createHttpApp(CartModule, options);
  port = await listen(app, { host: '127.0.0.1', port: 0 });
  client.defaults.baseURL = `http://127.0.0.1:${port}`;
});
afterAll(() => app.close());

const postText = (sent: string | Buffer, type = 'application/json') =>
  client.post('/v1/carts', sent, { headers: { 'content-type': type }, transformRequest: (data: unknown) => data });

describe('a path that is there', () => {
  it.each([
    ['DELETE', '/v1/carts', 'GET, HEAD, POST'],
    ['PUT', '/v1/carts?limit=1', 'GET, HEAD, POST'],
    ['GET', '/v1/nothing', 'POST'],
    ['HEAD', '/v1/nothing', 'POST'],
    ['PATCH', '/v1/carts/0193', 'GET, HEAD'],
    ['OPTIONS', '/v1/carts', 'GET, HEAD, POST'],
    ['PROPFIND', '/v1/carts', 'GET, HEAD, POST'],
    ['POST', '/docs', 'GET, HEAD'],
    ['DELETE', '/docs/json', 'GET, HEAD'],
  ])('says to %s %s which methods it takes', async (method, url, allow) => {
    const { status, headers, data } = await client.request({ method, url });
    expect([status, headers['allow'], headers['content-type']]).toEqual([
      405,
      allow,
      'application/problem+json; charset=utf-8',
    ]);
    if (method !== 'HEAD')
      expect(data).toMatchObject({ code: 'method-not-allowed', detail: `Allowed here: ${allow}.` });
  });

  it.each([
    ['DELETE', '/v1/cart'],
    ['GET', '/v1/cartsX'],
    ['POST', '/v1/carts/1/2'],
    ['POST', '/v1/carts/'],
    ['PROPFIND', '/nothing'],
  ])('is told from one that is not: %s %s', async (method, url) => {
    const { status, headers, data } = await client.request({ method, url });
    expect([status, headers['allow'], data.code]).toEqual([404, undefined, 'not-found']);
  });
});

describe('a body', () => {
  it('arrives as its schema made it', async () => {
    const answer = await client.post('/v1/carts', CART);
    expect(answer.status).toBe(201);
    expect(answer.data).toEqual(CART);
  });

  it('with a field that is not known is refused, by name and place', async () => {
    const answer = await client.post('/v1/carts', { ...CART, lines: [{ ...CART.lines[0], approved: true }] });
    expect(answer.status).toBe(400);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.data).toEqual({
      type: 'https://branchline.dev/problems/unknown-field',
      title: 'The request has a field that is not known here.',
      status: 400,
      code: 'unknown-field',
      detail: expect.any(String),
      errors: [{ path: 'lines.0.approved', code: 'unknown-field', message: expect.any(String) }],
    });
  });

  it('with a value that is not allowed is refused, with the place of each', async () => {
    const answer = await client.post('/v1/carts', {
      ...CART,
      till: 't 1',
      lines: [{ ...CART.lines[0], quantity: 0.4567 }],
    });
    expect(answer.data.code).toBe('invalid-field');
    expect(answer.data.errors.map((error: { path: string }) => error.path)).toEqual(['till', 'lines.0.quantity']);
  });

  it.each([
    ['a number beyond 2^53', '9007199254740993'],
    ['a number beyond all bounds', '1e999'],
    ['NaN as text', '"NaN"'],
    ['a fraction of a cent', '1.5'],
  ])('with %s for money is refused', async (_what, amount) => {
    const answer = await postText(JSON.stringify(CART).replace('-150', amount));
    expect([answer.status, answer.data.code]).toEqual([400, 'invalid-field']);
  });

  it.each([
    ['a key twice', '{"id":1,"id":2}'],
    ['a key twice, once escaped', '{"id":1,"i\\u0064":2}'],
    ['a key twice, holding an object', '{"a":{"x":1,"y":2},"a":{"x":1,"y":2}}'],
    ['a key twice in a list', '[{"a":1},{"b":1,"b":1}]'],
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['__proto__, escaped', '{"\\u005f_proto__":{"admin":true}}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"admin":true}}}'],
    ['NUL in a text', '{"note":"a\\u0000b"}'],
    ['NUL in a key', '{"a\\u0000b":1}'],
    ['half a surrogate pair', '{"note":"\\ud800"}'],
    ['33 levels', '['.repeat(33) + ']'.repeat(33)],
    ['a million levels that never close', '['.repeat(3_900)],
    ['NaN', '{"id":NaN}'],
    ['an open end', '{"id":'],
    ['a byte-order mark', '\ufeff{}'],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['an encoded half surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ])('with %s is not taken for JSON', async (_what, sent) => {
    const answer = await postText(sent);
    expect([answer.status, answer.data.code]).toEqual([400, 'malformed-json']);
  });

  it.each(['gzip', 'br', 'zstd', 'identity, gzip'])(
    'that says it is encoded as %s is not taken for a body',
    async (encoding) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
      const answer = await client.post('/v1/carts', JSON.stringify(CART), { headers });
      expect([answer.status, answer.data.code]).toEqual([415, 'unsupported-media-type']);
      expect(answer.headers['accept-encoding']).toBe('identity');
    },
  );

  it('may say that it is as it is', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'Identity' };
    expect((await client.post('/v1/carts', JSON.stringify(CART), { headers })).status).toBeLessThan(300);
  });

  it('may hold colons, braces and escaped quotes in its texts', async () => {
    const answer = await postText(JSON.stringify({ ...CART, note: ':{"\\":[é]}' }));
    expect(answer.data.note).toBe(':{"\\":[é]}');
  });

  it('above the limit is refused, announced or not', async () => {
    const large = JSON.stringify({ note: 'x'.repeat(5_000) });
    const announced = await postText(large);
    expect([announced.status, announced.data.code]).toEqual([413, 'body-too-large']);
    expect(await rawRequest(chunked('/v1/carts', large))).toMatch(/^HTTP\/1\.1 413 [^]*"body-too-large"/);
  });

  it('of another type is refused, a form too', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/xml']) {
      const answer = await postText('id=1', type);
      expect([answer.status, answer.data.code]).toEqual([415, 'unsupported-media-type']);
    }
  });

  it('of a type the program names arrives as bytes, within its own limit', async () => {
    const headers = { 'content-type': 'text/csv; charset=utf-8' };
    expect((await client.post('/v1/files', 'a,b\n'.repeat(2_000), { headers })).data).toEqual({ bytes: 8_000 });
    expect((await client.post('/v1/files', 'a,b\n'.repeat(3_000), { headers })).status).toBe(413);
  });

  it('may be absent where none is wanted, and is missed where one is', async () => {
    expect((await client.post('/v1/nothing', '', { headers: { 'content-type': 'application/json' } })).status).toBe(
      204,
    );
    expect((await client.request({ url: '/v1/nothing', method: 'post' })).status).toBe(204);
    expect((await postText('')).data.code).toBe('invalid-field');
  });
});

describe('a query', () => {
  it('is read as numbers, with defaults', async () => {
    expect((await client.get('/v1/carts?till=T1')).data).toEqual({ limit: 50, till: 'T1' });
    expect((await client.get('/v1/carts?limit=500')).data).toEqual({ limit: 500 });
  });

  it.each(['limit=0', 'limit=501', 'limit=', 'limit=%207', 'limit=1e2', 'limit=0x10', 'limit=1&limit=2', 'after='])(
    'with %s is refused',
    async (search) => {
      expect((await client.get(`/v1/carts?${search}`)).data.code).toBe('invalid-field');
    },
  );

  it.each(['admin=true', '__proto__=1', 'limit[a]=1'])('with the unknown %s is refused', async (search) => {
    expect((await client.get(`/v1/carts?${search}`)).data.code).toBe('unknown-field');
  });
});

describe('an outcome', () => {
  it('of the domain keeps its code and words', async () => {
    const answer = await client.get('/v1/throws/domain');
    expect([answer.status, answer.data.code, answer.data.detail]).toEqual([409, 'day-sealed', '2026-11-20 is sealed']);
  });

  it('that is a problem carries its headers', async () => {
    const answer = await client.get('/v1/throws/problem');
    expect([answer.status, answer.headers['retry-after']]).toEqual([429, '7']);
  });

  it.each(['bug', 'unregistered'])('that is a bug (%s) tells the caller nothing and the log once', async (kind) => {
    logged.length = 0;
    const answer = await client.get(`/v1/throws/${kind}?customer=jane`);
    expect([answer.status, answer.data.code]).toEqual([500, 'internal']);
    expect(JSON.stringify(answer.data)).not.toContain('inner words');
    expect(logged).toHaveLength(1);
    const [record, stack] = logged[0] ?? [];
    expect(record).toMatchObject({ method: 'GET', path: `/v1/throws/${kind}` });
    const { requestId } = record as { requestId: string };
    expect(answer.data.detail).toContain(requestId);
    expect(stack).toContain('inner words');
    expect(JSON.stringify(logged)).not.toContain('jane');
  });

  it('for an unknown address is a problem, and for a malformed one', async () => {
    for (const path of ['/v1/nowhere', '/V1/carts', '/v1/carts/']) {
      const answer = await client.get(path);
      expect([answer.status, answer.data.code]).toEqual([404, 'not-found']);
    }
    expect(await rawRequest('GET /v1/carts/%E0%A4%A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 [^]*nosniff[^]*"bad-request"/,
    );
    expect((await client.get('/v1/carts/12')).data.code).toBe('invalid-field');
  });
});

describe('every answer', () => {
  it.each(['/v1/carts', '/v1/nowhere', '/v1/throws/bug', '/health/live'])(
    'of %s carries the security headers',
    async (path) => {
      const { headers } = await client.get(path);
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
        'content-security-policy': expect.stringMatching(/^default-src 'none'/),
      });
      expect(headers['content-security-policy']).not.toContain('script-src');
    },
  );
});

describe('the OpenAPI document', () => {
  it('knows bodies and queries from their schemas', async () => {
    const { data } = await client.get('/docs/json');
    expect(data.info).toMatchObject({ title: 'carts', version: '1.2.3' });
    const schema = data.paths['/v1/carts'].post.requestBody.content['application/json'].schema;
    expect(schema).toMatchObject({ type: 'object', required: ['id', 'till', 'lines'], additionalProperties: false });
    expect(data.paths['/v1/carts'].get.parameters.map((each: { name: string }) => each.name)).toEqual([
      'limit',
      'after',
      'till',
    ]);
  });

  it('is shown by a page that needs no other host', async () => {
    const page = await client.get('/docs');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    const addresses = [...String(page.data).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(addresses.length).toBeGreaterThan(3);
    for (const address of addresses) {
      const asset = await client.get(new URL(address, `http://127.0.0.1:${port}/docs`).href);
      expect([address, asset.status]).toEqual([address, 200]);
    }
    expect(String(page.data)).not.toMatch(/<script(?![^>]*src=)[^>]*>\s*\S/);
  });
});

describe('figures', () => {
  it('tell live, ready and metrics', async () => {
    expect((await client.get('/health/live')).status).toBe(200);
    expect((await client.get('/health/ready')).data).toEqual({ ready: true, queue: 3 });
    readiness.ready = false;
    expect((await client.get('/health/ready')).status).toBe(503);
    readiness.ready = true;
    const metrics = await client.get('/metrics');
    expect(metrics.headers['content-type']).toContain('text/plain');
    expect(metrics.data).toContain('process_resident_memory_bytes');
  });
});

describe('requests', () => {
  it('are timed by the pattern of their route, not by their address', async () => {
    for (const address of [`/v1/carts/${ID}`, '/v1/carts/12', '/v1/nowhere-a', '/v1/nowhere-b'])
      await client.get(address);
    const { data } = await client.get('/metrics');
    const counts = String(data).match(/^http_request_duration_seconds_count\{.*$/gm) ?? [];
    expect(counts.some((line) => line.includes('method="GET",route="/v1/carts/:id",status="200"'))).toBe(true);
    expect(counts.some((line) => line.includes('route="/v1/carts/:id",status="400"'))).toBe(true);
    expect(counts.join()).not.toContain('nowhere');
  });

  it('that are not HTTP are told so in the same way', async () => {
    expect(await rawRequest('HELLO\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [^]*problem\+json[^]*"bad-request"/);
  });
});

describe('listening', () => {
  it('where somebody listens already is a failure of the environment, in one line', async () => {
    logged.length = 0;
    const second = await createHttpApp(CartModule, options);
    const failure = await listen(second, { host: '127.0.0.1', port }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EnvironmentFailure);
    expect(failure).toMatchObject({ message: `127.0.0.1:${port} is in use` });
    expect(logged).toEqual([]);
    expect(second.getHttpServer().listening).toBe(false);
  });

  it('with a certificate that is none is a failure of the environment', async () => {
    const app = createHttpApp(CartModule, { ...options, https: { cert: 'none', key: 'none' } });
    await expect(app).rejects.toBeInstanceOf(EnvironmentFailure);
  });

  it('refuses a schema that would drop unknown fields silently', () => {
    expect(() => body(z.strictObject({ inner: z.object({ a: z.string() }) }))).toThrow(/z\.strictObject/);
  });
});

function chunked(path: string, sent: string): string {
  return (
    `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `Transfer-Encoding: chunked\r\n\r\n${sent.length.toString(16)}\r\n${sent}\r\n0\r\n\r\n`
  );
}

function rawRequest(sent: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(sent));
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => (received += data));
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}
