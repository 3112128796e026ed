import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { FaultProxy } from './fault-proxy.js';

export interface ProxyControl {
  url: string;
  close(): Promise<void>;
}

/** Lets another process cut and restore a line: `POST /cut`, `POST /restore`, `GET /`. On 127.0.0.1 only. */
export async function startProxyControl(proxy: FaultProxy, listenPort = 0): Promise<ProxyControl> {
  const server = createServer((request, response) => answer(proxy, request, response));
  await new Promise<void>((done, fail) => {
    server.once('error', (error) =>
      fail(new EnvironmentFailure(`cannot listen on port ${listenPort}: ${error.message}`)),
    );
    server.listen(listenPort, '127.0.0.1', done);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : listenPort;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

function answer(proxy: FaultProxy, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  // A web page open on this machine can reach 127.0.0.1 too; it cannot hide where it comes from.
  if (request.headers.origin !== undefined) return send(response, 403, { error: 'not for web pages' });
  const route = `${request.method} ${request.url}`;
  if (route === 'POST /cut') proxy.cut();
  else if (route === 'POST /restore') proxy.restore();
  else if (route !== 'GET /') return send(response, 404, { error: 'POST /cut, POST /restore or GET /' });
  send(response, 200, {
    line: proxy.isCut ? 'down' : 'up',
    isCut: proxy.isCut,
    port: proxy.port,
    open: proxy.open,
    ...proxy.counters,
  });
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}
