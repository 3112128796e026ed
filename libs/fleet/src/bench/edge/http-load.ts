import { connect, type Socket } from 'node:net';

export interface LoadRequest {
  host: string;
  port: number;
  /** Requests of each client, in their order, whole: head and body. */
  clients: readonly (readonly Buffer[])[];
  statusExpected: number;
}

export interface LoadFigures {
  elapsedMs: number;
  /** Of each request, from its first byte out to the last one in. */
  latenciesMs: number[];
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Posts what was made ready beforehand, each client over one kept-alive connection, its next request as soon as the answer
 * is there. Not an HTTP client but the least that can stand for one: on two cores, what it takes is missing elsewhere.
 * @throws when an answer has another status, or none comes
 */
export async function runLoad({ host, port, clients, statusExpected }: LoadRequest): Promise<LoadFigures> {
  const sockets = await Promise.all(clients.map(() => connected(host, port)));
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  try {
    await Promise.all(
      clients.map((requests, at) => {
        const socket = sockets[at];
        if (!socket) throw new Error('a client without a socket');
        return askInTurn(socket, requests, statusExpected, latenciesMs);
      }),
    );
    return { elapsedMs: performance.now() - startedMs, latenciesMs };
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** A whole request. */
export function postRequest(path: string, token: string, body: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json`;
  return Buffer.from(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, 'utf8');
}

function connected(host: string, port: number): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, noDelay: true }, () => done(socket));
    socket.once('error', fail);
  });
}

function askInTurn(socket: Socket, requests: readonly Buffer[], status: number, latenciesMs: number[]): Promise<void> {
  return new Promise((done, fail) => {
    let at = 0;
    let sentMs = 0;
    let pending: Buffer = Buffer.alloc(0);
    const send = (): void => {
      const request = requests[at];
      if (request === undefined) return done();
      sentMs = performance.now();
      socket.write(request);
    };
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const bytes = answerBytes(pending);
      if (bytes === null || pending.length < bytes) return;
      const got = Number(pending.subarray(9, 12).toString('latin1'));
      if (got !== status) return fail(new Error(`${got} where ${status} was expected: ${pending.toString('utf8')}`));
      latenciesMs.push(performance.now() - sentMs);
      pending = Buffer.alloc(0);
      at += 1;
      send();
    });
    send();
  });
}

/** How long the answer is, head and body; null as long as its head is not complete. */
function answerBytes(pending: Buffer): number | null {
  const end = pending.indexOf(HEAD_END);
  if (end < 0) return null;
  const length = /\r\ncontent-length: (\d+)/i.exec(pending.subarray(0, end).toString('latin1'))?.[1];
  if (length === undefined) throw new Error('an answer that does not say how long it is');
  return end + HEAD_END.length + Number(length);
}
