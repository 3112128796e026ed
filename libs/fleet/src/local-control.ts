import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { EnvironmentFailure } from '@branchline/http/exit.js';

export interface LocalControl {
  url: string;
  close(): Promise<void>;
}

export interface ControlAnswer {
  status: number;
  body: object;
}

const TOKEN_BYTES = 32;

/** 127.0.0.1 is there for every user of the machine: a door says who may pass. */
export function newControlToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** In constant time. */
export function isSameText(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A door for other programs of this machine, on 127.0.0.1 only. @param listenPort 0: any free one */
export async function startLocalControl(
  answer: (request: IncomingMessage) => ControlAnswer | Promise<ControlAnswer>,
  listenPort = 0,
): Promise<LocalControl> {
  const server = createServer((request, response) => void respond(answer, request, response));
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

async function respond(
  answer: (request: IncomingMessage) => ControlAnswer | Promise<ControlAnswer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const { status, body } = await answerOrRefusal(answer, request);
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

async function answerOrRefusal(
  answer: (request: IncomingMessage) => ControlAnswer | Promise<ControlAnswer>,
  request: IncomingMessage,
): Promise<ControlAnswer> {
  // A web page open on this machine can reach 127.0.0.1 too; it cannot hide where it comes from.
  if (request.headers.origin !== undefined) return { status: 403, body: { error: 'not for web pages' } };
  try {
    return await answer(request);
  } catch (error) {
    return { status: 500, body: { error: (error as Error).message } };
  }
}
