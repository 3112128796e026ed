import type { FastifyRequest } from 'fastify';

/** `__Host-`: the browser takes it from this host over TLS (or loopback) only, for all paths, and no subdomain can set it. */
const NAME = '__Host-branchline-refresh';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';

/** The value of `Set-Cookie` that keeps a refresh token where no script reads it. Call `assertSameOrigin` where it is used. */
export function refreshCookie(token: string, lifetimeS: number): string {
  return `${NAME}=${token}; Max-Age=${lifetimeS}; ${ATTRIBUTES}`;
}

export function clearedRefreshCookie(): string {
  return `${NAME}=; Max-Age=0; ${ATTRIBUTES}`;
}

/** The token a browser sends back; undefined when there is none, or more than one, of which one is not ours. */
export function refreshTokenOfCookie(request: Pick<FastifyRequest, 'headers'>): string | undefined {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const tokens = pairs.filter((pair) => pair.startsWith(`${NAME}=`)).map((pair) => pair.slice(NAME.length + 1));
  return tokens.length === 1 && /^[A-Za-z0-9_-]{1,200}$/.test(tokens[0] ?? '') ? tokens[0] : undefined;
}
