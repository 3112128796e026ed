import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '@branchline/domain/clock.js';
import { TillClient } from './till-client.js';

interface Seen {
  route: string;
  token: string | undefined;
  body: string;
}
type Reply = (seen: Seen, response: ServerResponse) => void;

const SALE = { id: 's1', receiptNumber: 'R', businessDate: '2026-11-20', totalMinor: 5 };

/** What the till meets on its way to an edge; the edge itself is tested in its own room. */
describe('a till', () => {
  let server: Server;
  let seen: Seen[];
  let replies: Reply[];
  let till: TillClient;
  let clock: ManualClock;
  let signIns: number;

  const json = (status: number, body: object, headers = {}): Reply => {
    return (_seen, response) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
  const reset: Reply = (_seen, response) => void response.socket?.resetAndDestroy();

  beforeEach(async () => {
    seen = [];
    replies = [];
    signIns = 0;
    server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
    clock = new ManualClock(1_000_000);
    const { signal } = new AbortController();
    till = new TillClient({ url, deviceToken: 'device', operator: 'mia', pin: '1', clock, chance: () => 0, signal });
  });
  afterEach(async () => {
    till.close();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) body += String(piece);
    const one = { route: `${request.method} ${request.url}`, token: request.headers.authorization, body };
    if (request.url?.startsWith('/v1/auth/')) {
      signIns += 1;
      seen.push(one);
      return json(200, { accessToken: `a${signIns}`, refreshToken: `r${signIns}`, expiresInS: 600 })(one, response);
    }
    seen.push(one);
    (replies.shift() ?? json(500, {}))(one, response);
  }

  const salesSeen = () => seen.filter(({ route }) => route === 'POST /v1/sales');

  it('asks again with the very same sale when the reply is lost, and tells that the answer was the stored one', async () => {
    replies = [reset, json(503, { code: 'busy' }), json(200, SALE, { 'idempotent-replay': 'true' })];
    expect(await till.sell({ id: 's1' })).toMatchObject({ tries: 3, replayed: true, sale: { receiptNumber: 'R' } });
    expect(salesSeen().map(({ body }) => body)).toEqual(Array(3).fill('{"id":"s1"}'));
  });

  it('takes a refusal for an answer', async () => {
    replies = [json(422, { code: 'total-differs', detail: 'by 1' })];
    await expect(till.sell({ id: 's1' })).rejects.toMatchObject({ status: 422, code: 'total-differs' });
    expect(salesSeen()).toHaveLength(1);
  });

  it('signs in once with the device token, and renews by refresh token before the access token ends', async () => {
    replies = [json(201, SALE), json(201, SALE), json(201, SALE)];
    await till.sell({ id: 's1' });
    await till.sell({ id: 's2' });
    expect(seen[0]).toMatchObject({ route: 'POST /v1/auth/pin', token: 'Bearer device' });
    expect(signIns).toBe(1);
    clock.advance(500_000);
    await till.sell({ id: 's3' });
    expect(seen.at(-2)).toMatchObject({ route: 'POST /v1/auth/refresh', body: '{"refreshToken":"r1"}' });
    expect(seen.at(-1)).toMatchObject({ token: 'Bearer a2' });
  });

  it('signs in again when the edge does not know its token any more', async () => {
    replies = [json(401, { code: 'unauthenticated' }), json(201, SALE)];
    expect(await till.sell({ id: 's1' })).toMatchObject({ tries: 1, replayed: false });
    expect(seen.map(({ route }) => route)).toEqual([
      'POST /v1/auth/pin',
      'POST /v1/sales',
      'POST /v1/auth/pin',
      'POST /v1/sales',
    ]);
  });

  it('gives up in the end', async () => {
    replies = [(one, response) => (clock.advance(100_000), reset(one, response))];
    await expect(till.sell({ id: 's1' })).rejects.toMatchObject({ name: 'NoAnswer' });
  });
});
