import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Sees each answer and may change it; null: it is lost on the way. */
export type Alter = (path: string, bytes: Buffer) => Buffer | null;

/** Stands before a hub at `target` while `work` goes on. */
export async function behindProxy<T>(target: string, alter: Alter, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((request, reply) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
      const sent = new Headers({ 'accept-encoding': 'identity' });
      for (const [name, value] of Object.entries(headers))
        if (name !== 'accept-encoding') sent.set(name, String(value));
      const body = parts.length > 0 ? { body: new Uint8Array(Buffer.concat(parts)) } : {};
      void fetch(`${target}${request.url}`, { method: request.method ?? 'GET', headers: sent, ...body }).then(
        async (answer) => {
          const bytes = alter(request.url ?? '', Buffer.from(await answer.arrayBuffer()));
          if (bytes === null) return request.socket.destroy();
          const kept = [...answer.headers].filter(([name]) => !/^(content-length|transfer-encoding)$/.test(name));
          return reply.writeHead(answer.status, Object.fromEntries(kept)).end(bytes);
        },
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
