import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { postRequest, runLoad } from './http-load.js';

let server: Server;
afterEach(() => new Promise((done) => server.close(done)));

async function serve(answer: (request: IncomingMessage, body: string, reply: ServerResponse) => void): Promise<number> {
  server = createServer((request, reply) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => answer(request, body, reply));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

describe('the load', () => {
  it('posts what each client has, in its order, over one connection a client', async () => {
    const seen: string[] = [];
    const port = await serve((request, body, reply) => {
      seen.push(`${request.socket.remotePort} ${request.headers.authorization} ${body}`);
      reply.writeHead(201, { 'content-length': 4 });
      // In two pieces: an answer may come in several.
      reply.write('ab');
      setImmediate(() => reply.end('cd'));
    });
    const clients = ['x', 'y'].map((name) => [1, 2].map((n) => postRequest('/v1/sales', name, `${name}${n}ü`)));
    const { latenciesMs, elapsedMs } = await runLoad({ host: '127.0.0.1', port, clients, statusExpected: 201 });
    expect(latenciesMs).toHaveLength(4);
    expect(elapsedMs).toBeGreaterThan(0);
    const ofX = seen.filter((line) => line.includes('Bearer x'));
    expect(ofX.map((line) => line.split(' ').at(-1))).toEqual(['x1ü', 'x2ü']);
    expect(new Set(ofX.map((line) => line.split(' ')[0])).size).toBe(1);
    expect(new Set(seen.map((line) => line.split(' ')[0])).size).toBe(2);
  });

  it('does not take a refusal for a sale', async () => {
    const port = await serve((_request, _body, reply) => void reply.writeHead(409, { 'content-length': 2 }).end('no'));
    const load = runLoad({ host: '127.0.0.1', port, clients: [[postRequest('/', 't', '{}')]], statusExpected: 201 });
    await expect(load).rejects.toThrow('409 where 201 was expected');
  });
});
