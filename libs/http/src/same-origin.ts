import type { FastifyRequest } from 'fastify';
import { problem } from './problem.js';

/**
 * For routes that act on a cookie: a browser names the page that asks, and a foreign one is refused. Programs send no
 * Origin; they send no cookie of a browser either.
 *
 * Hosts are compared, not schemes: behind a proxy that ends TLS we see http where the page says https.
 *
 * @throws Problem `foreign-origin`
 */
export function assertSameOrigin(request: Pick<FastifyRequest, 'headers'>): void {
  const { origin, host, 'sec-fetch-site': site } = request.headers;
  const isForeignSite = site !== undefined && site !== 'same-origin' && site !== 'none';
  if (isForeignSite || (origin !== undefined && hostOf(origin) !== host)) throw problem('foreign-origin');
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}
