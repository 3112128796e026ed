import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EnvironmentFailure } from '@branchline/http/exit.js';
import type { OwnCertificate } from './own-certificate.js';
import { TRUST_FILES, trustFile, trustPageFor, type TrustDocument, type TrustFile } from './trust-documents.js';

export type TrustDoor = { port: number; close(): Promise<void> };

export type TrustDoorParts = {
  host: string;
  port: number;
  certificate: OwnCertificate;
  branchCode: string;
  /** Of the door that the page leads to. */
  securePort: number;
  /** How long a request may take to come; ten seconds unless given. */
  requestMsMax?: number;
};

/** Everybody on the network may come here, so little of everything: a page of 10 KB needs no more. */
export const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 8 * 1024;
const REQUEST_MS_MAX = 10_000;

/**
 * Plain HTTP for whoever does not trust the store yet: the page, the authority's certificate, nothing else. A server of its
 * own, so that no route of the API can ever be reached through it.
 */
export async function openTrustDoor(parts: TrustDoorParts): Promise<TrustDoor> {
  const { requestMsMax = REQUEST_MS_MAX } = parts;
  // Node looks for who is late every 30 s unless told: so long a few idle connections could keep everybody else out.
  const limits = { requestTimeout: requestMsMax, connectionsCheckingInterval: requestMsMax / 10 };
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX, ...limits }, (request, reply) =>
    answer(parts, request, reply),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listening(server, parts);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    port: address.port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function listening(server: Server, { host, port }: TrustDoorParts): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new EnvironmentFailure(`EDGE_TRUST_PORT ${port}: ${error.message}`)));
    server.listen({ host, port }, resolve);
  });
}

function answer(parts: TrustDoorParts, request: IncomingMessage, reply: ServerResponse): void {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const document = isRead ? documentAt(parts, request) : null;
  reply.setHeader('x-content-type-options', 'nosniff');
  reply.setHeader('referrer-policy', 'no-referrer');
  reply.setHeader('cache-control', 'no-store');
  reply.setHeader('content-security-policy', document?.policy ?? "default-src 'none'; frame-ancestors 'none'");
  // One answer each: nobody holds one of the few connections.
  reply.setHeader('connection', 'close');
  reply.writeHead(document ? 200 : isRead ? 404 : 405, {
    'content-type': document?.type ?? 'text/plain; charset=utf-8',
    ...(!isRead && { allow: 'GET, HEAD' }),
  });
  reply.end(document?.body ?? 'There is nothing here but the page that shows how to trust this store.\n');
}

function documentAt(parts: TrustDoorParts, { url, headers }: IncomingMessage): TrustDocument | null {
  const { certificate, branchCode, securePort } = parts;
  const path = (url ?? '/').split('?', 1)[0] as string;
  if (path === '/') return trustPageFor(certificate, branchCode, { base: '', host: headers.host, port: securePort });
  const file = TRUST_FILES.find((name): name is TrustFile => path === `/${name}`);
  return file === undefined ? null : trustFile(certificate, branchCode, file);
}
